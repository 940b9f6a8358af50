"""The exports and the relocated pointers that LIEF sees in binaries."""

import lief

from oracle import answer

MASK = 2**64 - 1


def elf(binary):
    exports = [
        (str(symbol.name), symbol.value)
        for symbol in binary.dynamic_symbols
        if symbol.shndx != 0 and symbol.binding != lief.ELF.Symbol.BINDING.LOCAL
    ]
    word = 8 if binary.header.identity_class == lief.ELF.Header.CLASS.ELF64 else 4
    pointers = {}
    for relocation in binary.dynamic_relocations:
        kind = str(relocation.type).rpartition(".")[2]
        if not kind.endswith("_RELATIVE") and not kind.endswith("_RELR"):
            continue
        in_slot = relocation.is_rel or relocation.is_relatively_encoded
        pointers[relocation.address] = (
            content(binary, relocation.address, word) if in_slot else relocation.addend & MASK
        )
    return image(exports, pointers)


def pe(binary):
    base = binary.optional_header.imagebase
    export = binary.get_export()
    names = [(e.name, e.address) for e in export.entries if e.name and not e.is_forwarded] if export else []
    word = {"DIR64": 8, "HIGHLOW": 4}
    pointers = {}
    for relocation in binary.relocations:
        for entry in relocation.entries:
            size = word.get(str(entry.type).rpartition(".")[2])
            if size:
                pointers[entry.address] = content(binary, base + entry.address, size) - base
    return image(sorted(names), pointers)


def macho(binary):
    base = binary.imagebase
    exports = [
        (symbol.name[1:], symbol.export_info.address)
        for symbol in binary.exported_symbols
        if symbol.has_export_info and symbol.name.startswith("_") and not symbol.export_info.alias
        and lief.MachO.ExportInfo.FLAGS.REEXPORT not in symbol.export_info.flags_list
    ]
    word = 8 if binary.header.is_64bit else 4
    pointers = {}
    for relocation in binary.relocations:
        if isinstance(relocation, lief.MachO.RelocationFixup):
            pointers[relocation.address - base] = relocation.target - base
        elif isinstance(relocation, lief.MachO.RelocationDyld):
            pointers[relocation.address - base] = content(binary, relocation.address, word) - base
    return image(sorted(exports), pointers)


def image(exports, pointers):
    """With 2,000 pointers at most, from all over it."""
    return {"exports": exports, "pointers": sorted(pointers.items())[:: max(1, len(pointers) // 2000)]}


def content(binary, address, size):
    return int.from_bytes(bytes(binary.get_content_from_virtual_address(address, size)), "little")


answer(elf, pe, macho)
