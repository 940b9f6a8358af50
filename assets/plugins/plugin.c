/*
 * A memflow plugin that is nothing but its descriptors: material for tests, not to be loaded.
 *
 * The build defines CONNECTOR and/or OS (the name of the plugin as a string, and with an _EXPORT suffix the
 * tail of its symbol), VERSION, DESCRIPTION (or none: an absent string) and ABI. The structs are what memflow
 * 0.2.x exports, field for field; every pointer in them is one that the linker must leave a relocation for.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default"), used))
#endif

struct text {
  const char *bytes; /* UTF-8, not terminated */
  uint32_t length;
};

struct descriptor {
  int32_t plugin_version;
  bool accept_input;
  const void *input_layout;
  const void *output_layout;
  struct text name;
  struct text version;
  struct text description;
  void (*help_callback)(void);
  void (*target_list_callback)(void);
  int32_t (*create)(void);
};

_Static_assert(sizeof(struct descriptor) == (sizeof(void *) == 8 ? 0x60 : 0x34), "the layout of memflow 0.2");

/* An array of exactly these bytes: a string literal without its NUL, so that what follows is not a terminator. */
#define BYTES(id, literal) static const char id[sizeof(literal) - 1] = literal
#define TEXT(id) { id, sizeof(id) }

static int32_t create(void) { return -1; }

#ifdef LINEAGE
/*
 * What rustc leaves in a plugin: the layouts of abi_stable 0.10 as far as the version of a type's crate (TypeLayout,
 * MonoTypeLayout, ItemInfo), and the places of panics. The texts follow each other without a gap.
 */
struct mono {
  const void *strings, *lifetimes;
  uint16_t lengths[2];
  const char *name, *package;
  uintptr_t package_length;
};
struct layout {
  const void *shared;
  const struct mono *mono;
};

#define RUST_LAYOUT(id, crate)                                                                                \
  BYTES(id##_package, crate);                                                                                 \
  static const struct mono id##_mono = { 0, 0, { 0, 0 }, "T", id##_package, sizeof(id##_package) };           \
  static const struct layout id = { 0, &id##_mono }

RUST_LAYOUT(input_layout, "cglue;0.2.14");
RUST_LAYOUT(output_layout, "memflow;0.2.4");
#define INPUT &input_layout
#define OUTPUT &output_layout

#define REGISTRY "/root/.cargo/registry/src/index-1949cf8c6b5b557f/"
__attribute__((used)) static const char places[] =
  REGISTRY "abi_stable-0.10.3/src/type_layout.rs" REGISTRY "memflow-0.2.4/src/types/address.rs"
  "C:\\Users\\me\\.cargo\\registry\\src\\index-1949cf8c6b5b557f\\memflow-win32-defs-0.2.0\\src\\lib.rs"
  "/rustc/f6e511eec7342f59a25f7c0534f1dbea00d01b14/library/core/src/option.rs" REGISTRY "not-memflow-9.9.9/src/lib.rs"
  "/home/me/memflow-7.7.7/README memflow;1.2.34more cglue-0.2.x/src/";
#else
/* Stands for an abi_stable layout: something to point at. */
static const uint32_t layout[4] = { 1, 2, 3, 4 };
#define INPUT layout
#define OUTPUT layout
#endif

#ifdef NOTES
/* What crt files and compilers leave: from Linux 3.2.0 on; and who it was. */
__asm__(".pushsection .note.ABI-tag,\"a\",%note\n.balign 4\n.long 4, 16, 1\n.asciz \"GNU\"\n.long 0, 3, 2, 0\n.popsection");
__asm__(".ident \"rustc version 1.82.0 (f6e511eec 2024-10-15)\"");
#endif

#ifdef CALLS
/* Functions of other libraries, CALLS(name) each. */
#define CALL(name)                                                                                            \
  extern IMPORT void name(void);                                                                              \
  EXPORT void call_##name(void) { name(); }
#ifdef _WIN32
#define IMPORT __declspec(dllimport)
#else
#define IMPORT
#endif
CALLS
#endif

BYTES(version, VERSION);
#ifdef DESCRIPTION
BYTES(description, DESCRIPTION);
#define DESCRIPTION_TEXT TEXT(description)
#else
#define DESCRIPTION_TEXT { 0, 0 }
#endif

#define DESCRIPTOR(symbol, name)                                                                              \
  EXPORT struct descriptor symbol = {                                                                         \
    ABI, true, INPUT, OUTPUT, TEXT(name), TEXT(version), DESCRIPTION_TEXT, 0, 0, create                      \
  }

#define JOIN(prefix, tail) prefix##tail
#define SYMBOL(prefix, tail) JOIN(prefix, tail)

#ifdef CONNECTOR
BYTES(connector, CONNECTOR);
DESCRIPTOR(SYMBOL(MEMFLOW_CONNECTOR_, CONNECTOR_EXPORT), connector);
#endif

#ifdef OS
BYTES(os, OS);
DESCRIPTOR(SYMBOL(MEMFLOW_OS_, OS_EXPORT), os);
#endif

/* An export that is no descriptor, before and after ours in every kind of table. */
EXPORT int32_t AAA_other = 1;
EXPORT int32_t zzz_other(void) { return AAA_other; }
