#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

#include "device/work.h"
#include "tessera/cancel.h"

namespace tessera {

class Device;

/// A mark in a stream that others wait for. Recording again moves the mark. Made by a Device and
/// recorded by its streams (virtual devices: by any of theirs; CUDA: by those of the same card),
/// waited for by streams of every device; lives longer than the streams' use of it. As in CUDA, a
/// wait means the last record made before the wait was submitted; an event never recorded counts as
/// done.
class Event {
 public:
  virtual ~Event() = default;

  /// The calling thread waits until everything before the mark has run. Throws the Error of a
  /// device that was lost meanwhile.
  virtual void synchronize() = 0;

  /// Whether everything before the mark has run; does not wait. From any thread.
  virtual bool passed() const = 0;

  /// The time at which the mark was passed, in seconds of the device's clock (simulated time on a
  /// simulated device). Only after synchronize(); differences between devices of one kind count.
  virtual double time_s() const = 0;

  /// Whether host threads and streams of other kinds of devices may wait for it; not for simulated
  /// time.
  virtual bool in_real_time() const { return true; }
};

/// What tells apart the submissions that Stream::replay repeats: whatever their memory, shapes and
/// numbers depend on.
using ReplayKey = std::array<int64_t, 4>;

/// A device's queue: what is submitted runs in order, later than the call, beside other streams.
/// Submitted to by one thread at a time (synchronize() and the destructor count). Pointers in what
/// is submitted must stay valid until it has run. A body that throws breaks the stream: what
/// follows is skipped (events still pass), and synchronize() throws the Error.
class Stream {
 public:
  virtual ~Stream() = default;  ///< waits for what was submitted

  virtual Device& device() const = 0;

  /// Queues a body for the device's threads. Simulated devices only charge `cost`.
  virtual void run(const Cost& cost, const Work& work) = 0;

  /// Queues a copy of `bytes`; a null device means host memory. At least one end is this stream's
  /// device. Takes latency + bytes / bandwidth of the slower end's link where one is set.
  virtual void copy(void* to, Device* to_device, const void* from, Device* from_device,
                    uint64_t bytes) = 0;

  /// From here on, until the next call, what is submitted is skipped once `flag` is cancelled;
  /// events still pass. Null: nothing is skipped. A device that cannot take back what it has queued
  /// may run it all the same. The flag must live until the stream is past that next call.
  virtual void skip_when(const CancelFlag* flag) = 0;

  /// Submits what `submit` submits to this stream: ops, and copies within the device or between it
  /// and its allocate_host() memory, nothing else. The same key means the same submissions, to the
  /// last pointer, so that a device that can (DeviceInfo::graphs) keeps them and queues them at
  /// once when the key comes again, without calling `submit`; what they read may have changed.
  virtual void replay(const ReplayKey&, const std::function<void()>& submit) { submit(); }

  virtual void record(Event& event) = 0;
  /// On a CUDA device an event of another kind of device holds up the submitter, not the stream.
  virtual void wait(Event& event) = 0;

  /// The calling thread waits for all that was submitted; throws the Error that broke the stream.
  virtual void synchronize() = 0;

  /// Throws the Error that broke the stream, if one did; does not wait. From any thread; after an
  /// event of this stream was passed, it knows of all that ran before.
  virtual void check() const = 0;
};

/// What is submitted while this lives is skipped once `flag` is cancelled (Stream::skip_when).
class SkipScope {
 public:
  SkipScope(Stream& stream, const CancelFlag* flag) : stream_(stream) { stream.skip_when(flag); }
  ~SkipScope() { stream_.skip_when(nullptr); }
  SkipScope(const SkipScope&) = delete;
  SkipScope& operator=(const SkipScope&) = delete;

 private:
  Stream& stream_;
};

}  // namespace tessera
