/* Deterministic inputs for the ahead-of-time tests: floats in [0, 1), integers 0 and 1 in turn. */
#ifndef AOT_DATA_H
#define AOT_DATA_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AOT_STEPS = 100, AOT_SEED = 7 };

static inline void aot_fill(void* data, int32_t dtype, int64_t bytes, uint32_t seed) {
  uint32_t x = seed * 2654435761u + 1;
  for (int64_t i = 0; i < bytes; i += dtype == 1 || dtype == 3 ? 8 : dtype == 5 || dtype == 6 ? 1 : 4) {
    char* at = (char*)data + i;
    x = x * 1664525u + 1013904223u;
    switch (dtype) { /* enum gradc_dtype */
      case 0:
        *(float*)(void*)at = (float)(x >> 8) / 16777216.0f;
        break;
      case 1:
        *(double*)(void*)at = (double)x / 4294967296.0;
        break;
      case 2:
        *(int32_t*)(void*)at = (int32_t)((x >> 16) & 1);
        break;
      case 3:
        *(int64_t*)(void*)at = (int64_t)((x >> 16) & 1);
        break;
      case 4:
        *(uint32_t*)(void*)at = (x >> 16) & 1;
        break;
      default:
        *at = (char)((x >> 16) & 1);
    }
  }
}

static inline void* aot_memory(int64_t bytes) {
  void* memory = aligned_alloc(64, (size_t)((bytes + 127) / 64 * 64));
  if (!memory) exit(3);
  return memset(memory, 0, (size_t)((bytes + 127) / 64 * 64));
}

static inline void aot_write(const void* data, int64_t bytes) {
  if (fwrite(data, 1, (size_t)bytes, stdout) != (size_t)bytes) exit(4);
}

#endif
