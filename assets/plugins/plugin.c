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

/* Stands for an abi_stable layout: something to point at. */
static const uint32_t layout[4] = { 1, 2, 3, 4 };

BYTES(version, VERSION);
#ifdef DESCRIPTION
BYTES(description, DESCRIPTION);
#define DESCRIPTION_TEXT TEXT(description)
#else
#define DESCRIPTION_TEXT { 0, 0 }
#endif

#define DESCRIPTOR(symbol, name)                                                                              \
  EXPORT struct descriptor symbol = {                                                                         \
    ABI, true, layout, layout, TEXT(name), TEXT(version), DESCRIPTION_TEXT, 0, 0, create                      \
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
