/* The object from C, on one thread. */
#include "aot_run.h"

int main(void) { return aot_run(NULL); }
