// How far `rematerialize` goes: a ladder of rungs, each of which trades more time for memory.
#pragma once

namespace gradc {

// Options::rematerialize from 0, where everything is kept, to this.
extern const int kRematerializeRungs;

}  // namespace gradc
