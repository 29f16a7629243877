// The C++ API of gradc: models as expressions, compiled in process.
#pragma once

#include "gradc/expr.h"
#include "gradc/loops.h"
#include "gradc/model.h"
#include "gradc/ops.h"
#include "gradc/run.h"
