/* The C ABI of compiled gradc programs: the same for code compiled in process and for object files. */
#ifndef GRADC_ABI_H
#define GRADC_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gradc_dtype { GRADC_F32, GRADC_F64, GRADC_I32, GRADC_I64, GRADC_U32, GRADC_U8, GRADC_BOOL };

/* Runs piece(argument, i, worker) for every i in [0, pieces), in any order, on any thread, and returns when all are
 * done. `worker` lies in [0, workers) and no two pieces run at once with the same one. */
typedef void (*gradc_piece)(void* argument, int64_t piece, int64_t worker);
typedef struct gradc_context {
  void (*parallel_for)(void* pool, gradc_piece piece, void* argument, int64_t pieces); /* null: serial */
  void* pool;
  int64_t workers; /* at least 1; the workspace holds room for that many */
} gradc_context;

/* One call of a program.
 * inputs, outputs: one pointer each, in the order of the header's table, aligned to the element.
 * state: the state block, aligned to 64 bytes. workspace: workspace_bytes + workers * worker_bytes, aligned to 64.
 * scalars: the program's struct; null: every default. context: null: one worker, serial.
 * Nothing is allocated, nothing outlives the call. Returns 0. */
typedef int32_t (*gradc_entry)(const void* const* inputs, void* const* outputs, void* state, void* workspace,
                               const void* scalars, const gradc_context* context);

/* A named array: an input, an output, a scalar, an entry of the state block. */
typedef struct gradc_array {
  const char* name;
  int32_t dtype; /* enum gradc_dtype */
  int32_t rank;
  const int64_t* shape;
  int64_t offset; /* bytes: in the state block, in the scalars struct; 0 for inputs and outputs */
  int64_t bytes;
} gradc_array;

#ifdef __cplusplus
}
#endif
#endif
