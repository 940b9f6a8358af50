"""What LIEF (PyPI) tells of binaries: a JSON line for each path that comes in, an image each for fat files."""

import json
import sys

import lief


def answer(elf, pe, macho):
    """Answers with what the function of its format tells of each image."""
    lief.logging.disable()
    for line in sys.stdin:
        path = line.rstrip("\n")
        try:
            print(json.dumps({"path": path, "images": images(path, elf, pe, macho)}), flush=True)
        except Exception as error:  # what LIEF cannot read is told, not hidden
            print(json.dumps({"path": path, "error": repr(error)}), flush=True)


def images(path, elf, pe, macho):
    if lief.is_elf(path):
        return [elf(lief.ELF.parse(path))]
    if lief.is_pe(path):
        return [pe(lief.PE.parse(path))]
    fat = lief.MachO.parse(path)
    return [macho(fat.at(i)) for i in range(fat.size)]
