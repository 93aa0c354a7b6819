// Loads shared libraries that the program is not linked with.
#ifndef SALV_LIBRARY_H
#define SALV_LIBRARY_H

#include "rust/cxx.h"

namespace salv {

/// Loads a library for the whole process; throws with the loader's message.
void load_globally(rust::Str name);

}  // namespace salv

#endif
