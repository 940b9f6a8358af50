"""What LIEF (PyPI) reads in binaries: a JSON line for each path that comes in, an image each for fat files."""

import json
import sys

import lief

lief.logging.disable()
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
    return exports, pointers


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
    return sorted(names), pointers


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
    return sorted(exports), pointers


def content(binary, address, size):
    return int.from_bytes(bytes(binary.get_content_from_virtual_address(address, size)), "little")


def images(path):
    if lief.is_elf(path):
        return [elf(lief.ELF.parse(path))]
    if lief.is_pe(path):
        return [pe(lief.PE.parse(path))]
    fat = lief.MachO.parse(path)
    return [macho(fat.at(i)) for i in range(fat.size)]


for line in sys.stdin:
    path = line.rstrip("\n")
    try:
        found = [
            {"exports": exports, "pointers": sorted(pointers.items())[:: max(1, len(pointers) // 2000)]}
            for exports, pointers in images(path)
        ]
        print(json.dumps({"path": path, "images": found}), flush=True)
    except Exception as error:  # what LIEF cannot read is told, not hidden
        print(json.dumps({"path": path, "error": repr(error)}), flush=True)
