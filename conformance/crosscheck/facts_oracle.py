"""The facts that LIEF sees in binaries."""

import lief

from oracle import answer

FLAGS = lief.PE.OptionalHeader.DLL_CHARACTERISTICS
COMMAND = lief.MachO.LoadCommand.TYPE
OPTIONAL = {COMMAND.LOAD_WEAK_DYLIB, COMMAND.LAZY_LOAD_DYLIB}
NEEDED = {COMMAND.LOAD_DYLIB, COMMAND.REEXPORT_DYLIB, COMMAND.LOAD_UPWARD_DYLIB}
VERSION_MIN = {
    COMMAND.VERSION_MIN_MACOSX: "macos",
    COMMAND.VERSION_MIN_IPHONEOS: "ios",
    COMMAND.VERSION_MIN_TVOS: "tvos",
    COMMAND.VERSION_MIN_WATCHOS: "watchos",
}


def elf(binary):
    needs = {
        (need.name, aux.name)
        for need in binary.symbols_version_requirement
        for aux in need.get_auxiliary_symbols()
        if aux.name.startswith("GLIBC_2") or aux.name == "GLIBC_ABI_DT_RELR"
    }
    segments = {segment.type: segment for segment in binary.segments}
    stack = segments.get(lief.ELF.Segment.TYPE.GNU_STACK)
    dynamic = {entry.tag: entry for entry in binary.dynamic_entries}
    tags = lief.ELF.DynamicEntry.TAG
    now = tags.BIND_NOW in dynamic
    if tags.FLAGS in dynamic:
        now = now or bool(dynamic[tags.FLAGS].value & 0x8)
    if tags.FLAGS_1 in dynamic:
        now = now or bool(dynamic[tags.FLAGS_1].value & 0x1)
    relro = segments.get(lief.ELF.Segment.TYPE.GNU_RELRO)
    facts = {
        "libraries": list(binary.libraries),
        "glibc": sorted(needs),
        "stripped": not any(s.type == lief.ELF.Section.TYPE.SYMTAB and s.size > 0 for s in binary.sections),
        "pie": binary.header.file_type == lief.ELF.Header.FILE_TYPE.DYN,
        "nx": "unknown" if stack is None else not (int(stack.flags) & 1),
        "relro": "none" if relro is None else "full" if now else "partial",
    }
    for note in binary.notes:
        if note.name == "GNU" and note.type == lief.ELF.Note.TYPE.GNU_BUILD_ID:
            facts["build_id"] = bytes(note.description).hex()
        if note.name == "GNU" and note.type == lief.ELF.Note.TYPE.GNU_ABI_TAG:
            words = [int.from_bytes(bytes(note.description[i : i + 4]), "little") for i in (4, 8, 12)]
            facts["minimum_os"] = ".".join(map(str, words))
    return facts


def pe(binary):
    header = binary.optional_header
    pairs = [
        (header.major_operating_system_version, header.minor_operating_system_version),
        (header.major_subsystem_version, header.minor_subsystem_version),
    ]
    facts = {
        "libraries": sorted({entry.name for entry in binary.imports}),
        "optional_libraries": sorted({entry.name for entry in binary.delay_imports}),
        "minimum_os": "%d.%d" % max(pairs),
        "dynamic_base": header.has(FLAGS.DYNAMIC_BASE),
        "nx_compat": header.has(FLAGS.NX_COMPAT),
        "high_entropy_va": header.has(FLAGS.HIGH_ENTROPY_VA),
        "guard_cf": header.has(FLAGS.GUARD_CF),
        "authenticode": len(binary.signatures) > 0,
        "stripped": binary.header.pointerto_symbol_table == 0 or binary.header.numberof_symbols == 0,
    }
    for entry in binary.debug:
        if isinstance(entry, lief.PE.CodeViewPDB) and "build_id" not in facts:
            facts["build_id"] = entry.guid.upper()
    return facts


def macho(binary):
    flags = lief.MachO.Header.FLAGS
    header = binary.header
    facts = {
        "libraries": [library.name for library in binary.libraries if library.command in NEEDED],
        "optional_libraries": [library.name for library in binary.libraries if library.command in OPTIONAL],
        "nx_stack": not header.has(flags.ALLOW_STACK_EXECUTION),
        "nx_heap": header.has(flags.NO_HEAP_EXECUTION),
        "code_signature": binary.has_code_signature,
    }
    if binary.has_uuid:
        digits = bytes(binary.uuid.uuid).hex().upper()
        facts["build_id"] = "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])
    if binary.has_build_version:
        facts["minimum_os"] = ".".join(map(str, binary.build_version.minos))
    elif binary.has_version_min:
        facts["minimum_os"] = ".".join(map(str, binary.version_min.version))
    return facts


answer(elf, pe, macho)
