#include "library.h"

#include <dlfcn.h>

#include <stdexcept>
#include <string>

namespace salv {

void load_globally(rust::Str name) {
    if (dlopen(std::string{name}.c_str(), RTLD_NOW | RTLD_GLOBAL)) return;
    const char* const message = dlerror();
    throw std::runtime_error(message ? message : "the loader gives no reason");
}

}  // namespace salv
