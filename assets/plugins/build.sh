#!/bin/sh
# Makes the plugin binaries of this folder, and expected.json from the same table. Run again, it gives the same bytes.
#
#   apt-get install gcc gcc-i686-linux-gnu gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf \
#     gcc-mingw-w64-x86-64-win32 gcc-mingw-w64-i686-win32 clang-16 lld-16 llvm-16
#   ./build.sh [folder]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$(mkdir -p "${1:-$here}" && cd "${1:-$here}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=0 LC_ALL=C
cd "$out"

# --- the table's words ---------------------------------------------------------------------------------------

: > "$work/json"
: > "$work/more" # further defines

# plugin FILE FORMAT ARCHITECTURE: compiles and links FILE out of what connector, os, version, description and
# abi say, and writes the descriptors down. Link options may follow.
plugin() {
  file=$1 format=$2 arch=$3
  shift 3
  "${format}_$arch" "$@"
  expect "$file" "$format" "$arch"
}

# connector, os: the plugin's names. first: which of the two the export table has first. Tables by name have the
# connector there; GNU ld orders .dynsym by the buckets of the hash table (readelf --dyn-syms tells).
reset() {
  connector='' os='' first=connector version=0.2.0 description='' abi=1
}

defines() {
  printf '%s\n' "-DABI=$abi" "-DVERSION=\"$version\""
  if [ -n "$description" ]; then printf '%s\n' "-DDESCRIPTION=\"$description\""; fi
  if [ -n "$connector" ]; then printf '%s\n' "-DCONNECTOR=\"$connector\"" "-DCONNECTOR_EXPORT=$(upper "$connector")"; fi
  if [ -n "$os" ]; then printf '%s\n' "-DOS=\"$os\"" "-DOS_EXPORT=$(upper "$os")"; fi
}

upper() { printf %s "$1" | tr 'a-z-' 'A-Z_'; }

# compile COMPILER OPTION...: plugin.c to $work/plugin.o
compile() {
  defines > "$work/defines"
  set -- "$@" -c -O1 -std=c11 -ffreestanding -fPIC -fno-ident -fno-asynchronous-unwind-tables -fno-stack-protector -o "$work/plugin.o"
  while IFS= read -r define; do set -- "$@" "$define"; done < "$work/defines"
  while IFS= read -r define; do set -- "$@" "$define"; done < "$work/more"
  "$@" "$here/plugin.c"
}

descriptor() { # KIND NAME
  file_type=$format architecture=\"$arch\"
  case $format in macho) file_type=mach ;; esac
  case $arch in riscv64) architecture='{ "unknown": 243 }' ;; esac
  cat << JSON
${separator}    {
      "plugin_kind": "$1",
      "export_name": "MEMFLOW_$(upper "$1")_$(upper "$2")",
      "file_type": "$file_type",
      "architecture": $architecture,
      "plugin_version": $abi,
      "name": "$2",
      "version": "$version",
      "description": "$description"
    }
JSON
  separator='    ,
'
}

expect() { # FILE FORMAT ARCHITECTURE...: one architecture for each slice
  file=$1 format=$2 separator=''
  shift 2
  {
    if [ -s "$work/json" ]; then echo '  ,'; fi
    printf '  "%s": [\n' "$file"
    for arch; do
      if [ -n "$os" ] && [ $first = os ]; then descriptor os "$os"; fi
      if [ -n "$connector" ]; then descriptor connector "$connector"; fi
      if [ -n "$os" ] && [ $first = connector ]; then descriptor os "$os"; fi
    done
    echo '  ]'
  } > "$work/entry"
  cat "$work/entry" >> "$work/json"
}

# --- the tool chains -----------------------------------------------------------------------------------------

elf() { # COMPILER [LINK OPTION...]
  compiler=$1
  shift
  compile "$compiler"
  "$compiler" -shared -nostdlib -s "$work/plugin.o" -o "$file" -Wl,--build-id=none,-z,noseparate-code,-z,norelro \
    -Wl,-z,max-page-size=4096,-z,common-page-size=4096,-soname,"$file" "$@"
}
elf_x86_64() { elf x86_64-linux-gnu-gcc "$@"; }
elf_x86() { elf i686-linux-gnu-gcc "$@"; }
elf_arm64() { elf aarch64-linux-gnu-gcc "$@"; }
elf_arm() { elf arm-linux-gnueabihf-gcc "$@"; }
elf_riscv64() { elf_lld riscv64-linux-gnu "$@"; }

# By clang and lld, for what GNU ld of this Debian cannot do.
elf_lld() { # TARGET [LINK OPTION...]
  target=$1
  shift
  compile clang-16 "--target=$target"
  ld.lld-16 -shared -s "$work/plugin.o" -o "$file" --build-id=none -z max-page-size=4096 -z norelro "$@"
}

pe() { # COMPILER [INPUT OR LINK OPTION...]
  compiler=$1
  shift
  compile "$compiler"
  "$compiler" -shared -nostdlib -s "$work/plugin.o" "$@" -o "$file" -Wl,--no-insert-timestamp,-e,0,--file-alignment,512
}
pe_x86_64() { pe x86_64-w64-mingw32-gcc "$@"; }
pe_x86() { pe i686-w64-mingw32-gcc "$@"; }

macho() { # ARCH [LINK OPTION...]
  machine=$1
  shift
  compile clang-16 --target="$machine-apple-macos11.0"
  ld64.lld-16 -dylib -arch "$machine" -platform_version macos 11.0 11.0 "$work/plugin.o" -o "$file" \
    -install_name "@rpath/$file" -undefined dynamic_lookup -x "$@"
}
macho_x86_64() { macho x86_64 "$@"; }
macho_arm64() { macho arm64 "$@"; }

# --- coredump: one version on every platform, and versions enough to filter by --------------------------------

reset
connector=coredump description='Kernspeicher from a core dump – ELF, Windows and raw'
plugin libmemflow_coredump-0.2.0.x86_64.so elf x86_64
plugin libmemflow_coredump-0.2.0.x86.so elf x86
plugin libmemflow_coredump-0.2.0.arm64.so elf arm64
plugin libmemflow_coredump-0.2.0.arm.so elf arm
plugin memflow_coredump-0.2.0.x86_64.dll pe x86_64
plugin memflow_coredump-0.2.0.x86.dll pe x86
plugin libmemflow_coredump-0.2.0.x86_64.dylib macho x86_64
plugin libmemflow_coredump-0.2.0.arm64.dylib macho arm64
file=libmemflow_coredump-0.2.0.universal.dylib
llvm-lipo-16 -create libmemflow_coredump-0.2.0.x86_64.dylib libmemflow_coredump-0.2.0.arm64.dylib -output "$file"
expect "$file" macho x86_64 arm64

version=0.2.1
plugin libmemflow_coredump-0.2.1.x86_64.so elf x86_64
plugin libmemflow_coredump-0.2.1.arm64.so elf arm64
plugin memflow_coredump-0.2.1.x86_64.dll pe x86_64
abi=2
plugin libmemflow_coredump-0.2.1-abi2.x86_64.so elf x86_64
version=0.2.0+build.7 abi=1
plugin libmemflow_coredump-0.2.0+build.7.x86_64.so elf x86_64
version=0.2.0-beta.1 abi=-5
plugin libmemflow_coredump-0.2.0-beta.1.x86_64.so elf x86_64

# --- several plugins in one file ------------------------------------------------------------------------------

reset
connector=qemu os=win32 description='A connector and an OS in one file'
plugin memflow_pair-0.2.0.x86_64.dll pe x86_64
plugin libmemflow_pair-0.2.0.arm64.dylib macho arm64
first=os
plugin libmemflow_pair-0.2.0.x86_64.so elf x86_64
connector=native os=native description='' # one name for both, and no description
plugin libmemflow_native-0.2.0.x86_64.so elf x86_64

# --- shapes: the same descriptor by every road that a linker takes --------------------------------------------

reset
os=shape version=1.0.0 description='One descriptor, many shapes'
plugin libmemflow_shape-sections-stripped.x86_64.so elf x86_64
llvm-objcopy-16 --strip-sections libmemflow_shape-sections-stripped.x86_64.so
plugin libmemflow_shape-gnu-hash.x86_64.so elf x86_64 -Wl,--hash-style=gnu
plugin libmemflow_shape-sysv-hash.x86_64.so elf x86_64 -Wl,--hash-style=sysv
plugin libmemflow_shape-riscv64.so elf riscv64
format=elf arch=x86_64 file=libmemflow_shape-relr.x86_64.so
elf_lld x86_64-linux-gnu --pack-dyn-relocs=relr
expect "$file" elf x86_64
file=libmemflow_shape-relr.arm.so
elf_lld armv7-linux-gnueabihf --pack-dyn-relocs=relr
expect "$file" elf arm
file=libmemflow_shape-rela-in-place.arm64.so # RELA, and the addends in the slots as well
elf_lld aarch64-linux-gnu --apply-dynamic-relocs
expect "$file" elf arm64
plugin libmemflow_shape-chained.x86_64.dylib macho x86_64 -fixup_chains
plugin libmemflow_shape-chained.arm64.dylib macho arm64 -fixup_chains
plugin libmemflow_shape-opcodes.arm64.dylib macho arm64 -no_fixup_chains

# Exports of a DLL that are no descriptors: one that lives in another DLL, one without a name.
cat > "$work/forwarded.def" << 'DEF'
EXPORTS
  MEMFLOW_OS_SHAPE DATA
  MEMFLOW_CONNECTOR_ELSEWHERE = other.MEMFLOW_CONNECTOR_ELSEWHERE
  AAA_other @7 NONAME DATA
DEF
plugin memflow_shape-forwarded.x86_64.dll pe x86_64 "$work/forwarded.def"

# --- facts: what else a binary tells (spec/plugin/facts has them, written down by hand) ------------------------

reset
connector=facts version=1.0.0 description='Linked with something'

# stub SONAME MAP FUNCTION...: a library of that name to link with; MAP says which versions its symbols have.
stub() {
  soname=$1 map=$2
  shift 2
  for function; do echo "void $function(void) {}"; done > "$work/stub.c"
  x86_64-linux-gnu-gcc -shared -nostdlib -fPIC -o "$work/$soname" "$work/stub.c" -Wl,-soname,"$soname" \
    ${map:+-Wl,--version-script,"$work/$map"}
}
echo 'GLIBC_2.9 { first; }; GLIBC_2.34 { second; };' > "$work/libc.map"
echo 'GLIBC_2.29 { third; };' > "$work/libm.map"
stub libc.so.6 libc.map first second
stub libm.so.6 libm.map third
stub libusb-1.0.so.0 '' fourth
stub libc.musl-x86_64.so.1 '' first

printf '%s\n' -DLINEAGE -DNOTES '-DCALLS=CALL(first)CALL(second)CALL(third)CALL(fourth)' > "$work/more"
file=libmemflow_facts-glibc.x86_64.so
compile x86_64-linux-gnu-gcc
x86_64-linux-gnu-gcc -shared -nostdlib "$work/plugin.o" -o "$file" "$work/libc.so.6" "$work/libm.so.6" \
  "$work/libusb-1.0.so.0" -Wl,--build-id=0x0123456789abcdef0123456789abcdef01234567,-z,noseparate-code,-z,relro,-z,now \
  -Wl,-z,max-page-size=4096,-z,common-page-size=4096,-soname,"$file"
expect "$file" elf x86_64

printf '%s\n' '-DCALLS=CALL(first)' > "$work/more"
file=libmemflow_facts-musl.x86_64.so
compile x86_64-linux-gnu-gcc
x86_64-linux-gnu-gcc -shared -nostdlib -s "$work/plugin.o" -o "$file" "$work/libc.musl-x86_64.so.1" \
  -Wl,--build-id=none,-z,noseparate-code,-z,relro,-z,lazy,-z,execstack,-z,max-page-size=4096,-z,common-page-size=4096
expect "$file" elf x86_64

# By clang and lld-link, which know control flow guard and delayed imports.
printf '%s\n' -DLINEAGE '-DCALLS=CALL(ExitProcess)CALL(abort)CALL(WSACleanup)' > "$work/more"
for dll in KERNEL32.dll=ExitProcess api-ms-win-crt-runtime-l1-1-0.dll=abort WS2_32.dll=WSACleanup; do
  printf 'LIBRARY %s\nEXPORTS\n  %s\n' "${dll%=*}" "${dll#*=}" > "$work/import.def"
  llvm-dlltool-16 -m i386:x86-64 -d "$work/import.def" -l "$work/${dll#*=}.lib"
done
cat > "$work/delay.c" << 'C'
void *__delayLoadHelper2(const void *descriptor, void **slot) { return 0; }
const unsigned _load_config_used[80] = { sizeof(unsigned[80]) };
C
clang-16 --target=x86_64-w64-windows-gnu -c -O1 -o "$work/delay.o" "$work/delay.c"
file=memflow_facts.x86_64.dll
compile clang-16 --target=x86_64-w64-windows-gnu
# The PDB, and so its GUID, is made of paths too: here they are always the same.
fixed=/tmp/memflow-registry-plugins
mkdir "$fixed"
trap 'rm -rf "$work" "$fixed"' EXIT
cp "$work"/plugin.o "$work"/delay.o "$work"/*.lib "$fixed"
# It warns of the load configuration, which would have to be right for a real guard.
(cd "$fixed" && lld-link-16 -dll -noentry -nodefaultlib -out:facts.dll plugin.o delay.o ExitProcess.lib abort.lib \
  WSACleanup.lib -delayload:WS2_32.dll -guard:cf -subsystem:windows,6.1 -debug -pdbaltpath:facts.pdb -Brepro 2> lld.log)
cp "$fixed/facts.dll" "$file"
expect "$file" pe x86_64

# libSystem and a weak library of macOS, by stubs; for 12.3, and for 10.9, which has an older load command.
for library in libSystem.B libz.1; do
  cat > "$work/$library.tbd" << TBD
--- !tapi-tbd
tbd-version: 4
targets: [ arm64-macos, x86_64-macos ]
install-name: '/usr/lib/$library.dylib'
exports:
  - targets: [ arm64-macos, x86_64-macos ]
    symbols: [ _$(echo $library | tr -d .1), dyld_stub_binder ]
...
TBD
done
printf '%s\n' -DLINEAGE '-DCALLS=CALL(libSystemB)CALL(libz)' > "$work/more"
for machine in arm64=12.3 x86_64=10.9; do
  file=libmemflow_facts.${machine%=*}.dylib
  compile clang-16 --target="${machine%=*}-apple-macos${machine#*=}"
  ld64.lld-16 -dylib -arch "${machine%=*}" -platform_version macos "${machine#*=}" 13.0 "$work/plugin.o" -o "$file" \
    -install_name "@rpath/$file" "$work/libSystem.B.tbd" -weak_library "$work/libz.1.tbd"
  expect "$file" macho "${machine%=*}"
done
: > "$work/more"

# A library of nobody's.
reset
plugin libplain.x86_64.so elf x86_64

chmod 644 -- *memflow_*.* libplain.*
{ echo '{'; cat "$work/json"; echo '}'; } | sed -z 's/\n *,/,/g; s/\[\n *\]/[]/g' > expected.json
