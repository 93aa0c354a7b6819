// Stand-ins for the headers of Gloo, which LibTorch's own include and its packages leave out though they hold
// the library: what torch/csrc/distributed/c10d/ProcessGroupGloo.hpp names, no more. Nothing here is called or
// laid out by our code: c10d keeps pointers to these, and only its compiled part follows them.
#ifndef SALV_GLOO_CONTEXT_H
#define SALV_GLOO_CONTEXT_H

#include <chrono>
#include <string>
#include <vector>

namespace gloo {

class Context {
public:
    void setTimeout(std::chrono::milliseconds timeout);
};

namespace rendezvous {

class Store {
public:
    virtual ~Store();
    virtual void set(const std::string& key, const std::vector<char>& data) = 0;
    virtual std::vector<char> get(const std::string& key) = 0;
    virtual void wait(const std::vector<std::string>& keys) = 0;
    virtual void wait(const std::vector<std::string>& keys,
                      const std::chrono::milliseconds& timeout) = 0;
};

}  // namespace rendezvous

namespace transport {

class Device;

class UnboundBuffer {
public:
    virtual ~UnboundBuffer();
};

}  // namespace transport

}  // namespace gloo

#endif
