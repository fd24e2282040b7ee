#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <vector>

#include "tests/cuda_emulator/device_vector.h"
#include "tests/cuda_emulator/machine_fixture.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Streams = EmulatedMachineTest;

class TestEvent {
 public:
  explicit TestEvent(unsigned flags = cudaEventDefault) {
    EXPECT_EQ(cudaEventCreateWithFlags(&event_, flags), cudaSuccess);
  }
  ~TestEvent() { EXPECT_EQ(cudaEventDestroy(event_), cudaSuccess); }
  TestEvent(const TestEvent&) = delete;
  TestEvent& operator=(const TestEvent&) = delete;
  operator cudaEvent_t() const { return event_; }  // NOLINT: stands where CUDA wants an event

 private:
  cudaEvent_t event_ = nullptr;
};

// Host functions that take the next number when they run.
class Notes {
 public:
  void add(cudaStream_t stream) {
    notes_.push_back(std::make_unique<Note>(Note{next_}));
    const auto take_number = [](void* data) {
      auto* const note = static_cast<Note*>(data);
      note->number = note->next.fetch_add(1, std::memory_order_relaxed);
    };
    EXPECT_EQ(cudaLaunchHostFunc(stream, take_number, notes_.back().get()), cudaSuccess);
  }

  /// In the order in which they were added; once the streams are done.
  std::vector<int> numbers() const {
    std::vector<int> numbers;
    for (const auto& note : notes_) numbers.push_back(note->number);
    return numbers;
  }

 private:
  struct Note {
    std::atomic<int>& next;
    int number = -1;
  };
  std::atomic<int> next_ = 0;
  std::vector<std::unique_ptr<Note>> notes_;
};

TEST_F(Streams, TheDefaultOneIsRefused) {
  const DeviceVector<char> data(8);
  EXPECT_EQ(cudaMemsetAsync(data.data(), 0, 8, nullptr), cudaErrorInvalidResourceHandle);
  EXPECT_THAT(emulator_report(), HasSubstr("the default stream is not allowed"));
  cudaStream_t stream = nullptr;
  EXPECT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamDefault), cudaErrorInvalidValue);
}

TEST_F(Streams, RunWhatTheyAreGivenInOrder) {
  const TestStream stream;
  Notes notes;
  for (int i = 0; i < 4; ++i) notes.add(stream);
  stream.synchronize();
  EXPECT_THAT(notes.numbers(), ElementsAre(0, 1, 2, 3));
}

TEST_F(Streams, WaitForAnEventsLastRecord) {
  for (const ThreadOrder order : {ThreadOrder::kForward, ThreadOrder::kReverse}) {
    set_up(order);
    const TestStream first, second;
    const TestEvent event;
    Notes notes;
    notes.add(first);
    ASSERT_EQ(cudaEventRecord(event, first), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(second, event, 0), cudaSuccess);
    notes.add(second);
    ASSERT_EQ(cudaEventRecord(event, second), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(first, event, 0), cudaSuccess);
    notes.add(first);
    second.synchronize();
    first.synchronize();
    EXPECT_THAT(notes.numbers(), ElementsAre(0, 1, 2));
  }
}

TEST_F(Streams, DoNotWaitForAnEventThatWasNeverRecorded) {
  const TestStream stream;
  const TestEvent event;
  EXPECT_EQ(cudaStreamWaitEvent(stream, event, 0), cudaSuccess);
  EXPECT_EQ(cudaEventSynchronize(event), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
  stream.synchronize();
}

TEST_F(Streams, AWaitKeepsItsRecordWhenTheEventIsGone) {
  set_up(ThreadOrder::kReverse);
  const TestStream first, second;
  Notes notes;
  {
    const TestEvent event;
    notes.add(first);
    ASSERT_EQ(cudaEventRecord(event, first), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(second, event, 0), cudaSuccess);
    notes.add(second);
  }
  second.synchronize();
  EXPECT_THAT(notes.numbers(), ElementsAre(0, 1));
}

TEST_F(Streams, OfOneGpuTakeNoEventOfAnother) {
  const TestStream stream;
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  const TestEvent event;
  EXPECT_EQ(cudaEventRecord(event, stream), cudaErrorInvalidResourceHandle);
}

TEST_F(Streams, TellWhetherTheyAreDone) {
  set_up(ThreadOrder::kForward);
  const TestStream stream;
  const TestEvent event;
  std::atomic<bool> go = false;
  const auto wait = [](void* flag) { static_cast<std::atomic<bool>*>(flag)->wait(false); };
  ASSERT_EQ(cudaLaunchHostFunc(stream, wait, &go), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
  EXPECT_EQ(cudaEventQuery(event), cudaErrorNotReady);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);  // not ready is no error
  go = true;
  go.notify_one();
  EXPECT_EQ(cudaEventSynchronize(event), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
  EXPECT_EQ(cudaStreamQuery(stream), cudaSuccess);
}

TEST_F(Streams, FinishWhenDestroyed) {
  set_up(ThreadOrder::kReverse);
  void* const host = pinned(8);
  const DeviceVector<char> data(8);
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(data.data(), 9, 8, stream), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(host, data.data(), 8, cudaMemcpyDeviceToHost, stream), cudaSuccess);
  ASSERT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(static_cast<char*>(host)[7], 9);
  EXPECT_EQ(cudaFreeHost(host), cudaSuccess);
}

TEST_F(Streams, HostFunctionsCallNothingOfCuda) {
  const TestStream stream;
  cudaError_t seen = cudaSuccess;
  const auto call = [](void* data) {
    void* memory = nullptr;
    *static_cast<cudaError_t*>(data) = cudaMalloc(&memory, 8);
  };
  ASSERT_EQ(cudaLaunchHostFunc(stream, call, &seen), cudaSuccess);
  stream.synchronize();
  EXPECT_EQ(seen, cudaErrorNotPermitted);
}

TEST_F(Streams, OfHigherPriorityGoFirst) {
  set_up(ThreadOrder::kForward);
  int least = 0, greatest = 0;
  ASSERT_EQ(cudaDeviceGetStreamPriorityRange(&least, &greatest), cudaSuccess);
  ASSERT_LT(greatest, least);
  cudaStream_t low = nullptr, high = nullptr;
  ASSERT_EQ(cudaStreamCreateWithPriority(&low, cudaStreamNonBlocking, least), cudaSuccess);
  ASSERT_EQ(cudaStreamCreateWithPriority(&high, cudaStreamNonBlocking, greatest), cudaSuccess);
  int priority = 1;
  EXPECT_EQ(cudaStreamGetPriority(high, &priority), cudaSuccess);
  EXPECT_EQ(priority, greatest);

  const TestStream holder;
  struct Hold {
    std::atomic<bool> begun = false, go = false;
  } hold;
  const auto wait = [](void* it) {
    auto& [begun, go] = *static_cast<Hold*>(it);
    begun = true;
    begun.notify_one();
    go.wait(false);
  };
  ASSERT_EQ(cudaLaunchHostFunc(holder, wait, &hold), cudaSuccess);
  hold.begun.wait(false);  // else the low one's could be the first
  Notes notes;
  notes.add(low);
  notes.add(high);
  hold.go = true;
  hold.go.notify_one();
  EXPECT_EQ(cudaStreamSynchronize(low), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(high), cudaSuccess);
  EXPECT_THAT(notes.numbers(), ElementsAre(1, 0));
  EXPECT_EQ(cudaStreamDestroy(low), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(high), cudaSuccess);
}

using VirtualTime = EmulatedMachineTest;

float milliseconds(cudaEvent_t start, cudaEvent_t end) {
  float result = -1;
  EXPECT_EQ(cudaEventElapsedTime(&result, start, end), cudaSuccess);
  return result;
}

TEST_F(VirtualTime, OfACopyIsItsBytesOverTheLink) {
  set_emulated_link(-1, 0, 1e9);
  const TestStream stream;
  const DeviceVector<char> data(100'000);
  const std::vector<char> host(100'000);
  const TestEvent start, end;
  ASSERT_EQ(cudaEventRecord(start, stream), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(data.data(), host.data(), 100'000, cudaMemcpyHostToDevice, stream),
            cudaSuccess);
  ASSERT_EQ(cudaEventRecord(end, stream), cudaSuccess);
  ASSERT_EQ(cudaEventSynchronize(end), cudaSuccess);
  EXPECT_FLOAT_EQ(milliseconds(start, end), 0.105f);  // 5 us and 100 us
}

TEST_F(VirtualTime, PassesFromStreamToStreamByEvents) {
  set_emulated_link(-1, 0, 1e9);
  const TestStream slow, other;
  const DeviceVector<char> data(100'000);
  const std::vector<char> host(100'000);
  const TestEvent start, copied, end;
  ASSERT_EQ(cudaEventRecord(start, other), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(data.data(), host.data(), 100'000, cudaMemcpyHostToDevice, slow),
            cudaSuccess);
  ASSERT_EQ(cudaEventRecord(copied, slow), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other, copied, 0), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(end, other), cudaSuccess);
  ASSERT_EQ(cudaEventSynchronize(end), cudaSuccess);
  EXPECT_FLOAT_EQ(milliseconds(start, end), 0.105f);
}

TEST_F(VirtualTime, IsKeptByEventsThatAreAskedTo) {
  const TestStream stream;
  const TestEvent start, untimed(cudaEventDisableTiming), never;
  ASSERT_EQ(cudaEventRecord(start, stream), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(untimed, stream), cudaSuccess);
  stream.synchronize();
  float result = 0;
  EXPECT_EQ(cudaEventElapsedTime(&result, start, untimed), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventElapsedTime(&result, start, never), cudaErrorInvalidResourceHandle);
}

}  // namespace
}  // namespace tessera
