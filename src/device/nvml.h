#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

namespace tessera {

using NvmlDevice = void*;

/// NVML, the NVIDIA driver's management library: loaded and initialised while this lives, so that
/// nothing of it is linked. Source of all names and numbers: NVML API Reference. Thread-safe, as
/// NVML is.
class Nvml {
 public:
  /// `name` is what dlopen takes. Throws Error when there is a driver that does not answer.
  explicit Nvml(std::string name);
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  /// False where there is no driver: nothing else may be called then.
  bool ready() const { return shutdown_ != nullptr; }

  /// Calls a function by its name; anything but success is an Error.
  template <typename... Arguments>
  void call(const char* symbol, Arguments... arguments) const {
    check(function<int(Arguments...)>(symbol)(arguments...), symbol);
  }

  /// The same for what not every card, driver or user may be told: false where that is so, or
  /// where the driver is older than the function.
  template <typename... Arguments>
  bool may_call(const char* symbol, Arguments... arguments) const {
    void* found = find(symbol);
    if (found == nullptr) return false;
    const int status = reinterpret_cast<int (*)(Arguments...)>(found)(arguments...);
    if (is_untold(status)) return false;
    check(status, symbol);
    return true;
  }

  /// What such a function gives for a device.
  template <typename T, typename... Arguments>
  std::optional<T> ask(const char* symbol, Arguments... arguments) const {
    T value{};
    return may_call(symbol, arguments..., &value) ? std::optional(value) : std::nullopt;
  }

  /// A call that fills in text.
  template <typename... Arguments>
  std::string text(const char* symbol, Arguments... arguments) const {
    std::array<char, 96> buffer = {};
    call(symbol, arguments..., buffer.data(), static_cast<unsigned>(buffer.size()));
    buffer.back() = '\0';
    return buffer.data();
  }

 private:
  struct CloseLibrary {
    void operator()(void* library) const noexcept;
  };
  template <typename Signature>
  Signature* function(const char* symbol) const {
    return reinterpret_cast<Signature*>(require(symbol));
  }
  void* find(const char* symbol) const;     // null: this driver has none
  void* require(const char* symbol) const;  // throws instead
  void check(int status, const char* symbol) const;
  static bool is_untold(int status);

  const std::string name_;
  std::unique_ptr<void, CloseLibrary> library_;
  int (*shutdown_)() = nullptr;  // set while NVML is initialised
};

}  // namespace tessera
