/* Initialises, trains and predicts with the object `mlp`, and writes the state and the prediction to standard output.
 */
#ifndef AOT_RUN_H
#define AOT_RUN_H

#include "mlp.h"

#include "aot_data.h"

static inline void** aot_arrays(const gradc_array* table, int count, uint32_t seed) {
  void** arrays = (void**)malloc(sizeof(void*) * (size_t)(count + 1));
  if (!arrays) exit(3);
  for (int i = 0; i < count; ++i) {
    arrays[i] = aot_memory(table[i].bytes);
    aot_fill(arrays[i], table[i].dtype, table[i].bytes, seed + (uint32_t)i);
  }
  return arrays;
}

static inline int aot_run(const gradc_context* context) {
  const int64_t workers = context ? context->workers : 1;
  void* state = aot_memory(MLP_STATE_BYTES);
  void* scratch = aot_memory(MLP_INIT_WORKSPACE_BYTES + workers * MLP_INIT_WORKER_BYTES);
  if (mlp_initialize(state, scratch, AOT_SEED) != 0) return 1;

  void* workspace = aot_memory(MLP_TRAIN_WORKSPACE_BYTES + workers * MLP_TRAIN_WORKER_BYTES);
  void** inputs = aot_arrays(mlp_train_input_table(), MLP_TRAIN_INPUT_COUNT, 1);
  void** outputs = aot_arrays(mlp_train_output_table(), MLP_TRAIN_OUTPUT_COUNT, 50);
  for (int step = 0; step < AOT_STEPS; ++step)
    if (mlp_train((const void* const*)inputs, outputs, state, workspace, NULL, context) != 0) return 1;
  aot_write(state, MLP_STATE_BYTES);
  aot_write(outputs[0], mlp_train_output_table()[0].bytes);

  void* small = aot_memory(MLP_PREDICT_WORKSPACE_BYTES + workers * MLP_PREDICT_WORKER_BYTES);
  void** images = aot_arrays(mlp_predict_input_table(), MLP_PREDICT_INPUT_COUNT, 1);
  void** predictions = aot_arrays(mlp_predict_output_table(), MLP_PREDICT_OUTPUT_COUNT, 50);
  if (mlp_predict((const void* const*)images, predictions, state, small, NULL, context) != 0) return 1;
  aot_write(predictions[0], mlp_predict_output_table()[0].bytes);
  return 0;
}

#endif
