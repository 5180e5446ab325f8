// resp-load: the load generator of scripts/benchmark where redis-benchmark is not enough: several
// kinds of clients at once, SET and GET reported apart, requests at a fixed rate, each second
// apart.
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "benchmarks/load/client.h"
#include "benchmarks/load/options.h"

namespace quorate::load {
namespace {

constexpr int kEvents = 512;

class Run {
 public:
  explicit Run(const Options& options) : options_(options) {
    if (epoll_ < 0) Fail("there is no epoll");
    for (const GroupOptions& group : options_.groups) {
      groups_.push_back(std::make_unique<Total>(group));
      for (int i = 0; i < group.clients; ++i) {
        clients_.emplace_back(&groups_.back()->now, &options_.ports, epoll_);
        if (!clients_.back().Connect()) {
          Fail("no server on port " + std::to_string(options_.ports.front()));
        }
        if (!group.idle) groups_.back()->now.Rest(&clients_.back());
      }
    }
  }

  void Execute() {
    const int64_t start = Now();
    const int64_t end = start + Ns(options_.seconds);
    const int64_t interval =
        options_.interval_seconds > 0 ? Ns(options_.interval_seconds) : end - start;
    int64_t last_report = start;
    int64_t next_report = start + interval;
    for (const auto& group : groups_) group->now.BeginAt(start);
    for (int64_t now = start; now < end; now = Now()) {
      if (now >= next_report) {
        PrintInterval(now - start, now - last_report);
        last_report = now;
        // A multiple of the interval, so that reports do not drift.
        while (next_report <= now) next_report += interval;
      }
      Step(now, std::min(end, next_report));
    }
    const int64_t last = Now();
    PrintInterval(last - start, last - last_report, options_.interval_seconds > 0);
    Print("total", last - start, last - start,
          [](Total& group) -> const Sums& { return group.all; });
  }

 private:
  struct Sums {
    Histogram sets;
    Histogram gets;
    uint64_t retries = 0;
  };
  struct Total {
    explicit Total(const GroupOptions& options) : now(options) {}
    Group now;
    Sums interval;
    Sums all;
  };

  static int64_t Ns(double seconds) { return static_cast<int64_t>(1e9 * seconds); }

  // Sends what is due, and waits for events, no longer than until then.
  void Step(int64_t now, int64_t until) {
    for (const auto& group : groups_) {
      group->now.SendDue(now);
      until = std::min(until, group->now.next_due());
    }
    for (Client& client : clients_) {
      if (broken_ == 0) break;
      if (!client.is_connected()) client.Retry(now);
    }
    if (broken_ > 0) until = std::min(until, now + Ns(0.01));
    const int64_t wait = std::max<int64_t>(until - Now(), 0);
    const timespec timeout = {.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000};
    epoll_event events[kEvents];
    const int count = epoll_pwait2(epoll_, events, kEvents, &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      static_cast<Client*>(events[i].data.ptr)->OnEvent(events[i].events);
    }
    broken_ = 0;
    for (const auto& group : groups_) broken_ += group->now.broken;
  }

  void PrintInterval(int64_t at, int64_t duration, bool print = true) {
    for (const auto& group : groups_) {
      group->interval.sets = group->now.sets;
      group->interval.gets = group->now.gets;
      group->interval.retries = group->now.retries;
      group->all.sets.Add(group->now.sets);
      group->all.gets.Add(group->now.gets);
      group->all.retries += group->now.retries;
      group->now.sets.Clear();
      group->now.gets.Clear();
      group->now.retries = 0;
    }
    if (print) {
      Print("interval", at, duration, [](Total& group) -> const Sums& { return group.interval; });
    }
  }

  template <typename Choose>
  void Print(const char* what, int64_t at, int64_t duration, Choose choose) {
    const double seconds = static_cast<double>(duration) / 1e9;
    std::printf(R"({"what": "%s", "at_seconds": %.3f, "seconds": %.3f, "groups": {)", what,
                static_cast<double>(at) / 1e9, seconds);
    const char* separator = "";
    for (const auto& group : groups_) {
      const Sums& sums = choose(*group);
      std::printf(R"(%s"%s": {"clients": %d, "retries": %llu)", separator,
                  group->now.options.name.c_str(), group->now.options.clients,
                  static_cast<unsigned long long>(sums.retries));
      PrintOperation("set", sums.sets, seconds);
      PrintOperation("get", sums.gets, seconds);
      std::printf("}");
      separator = ", ";
    }
    std::printf("}}\n");
    std::fflush(stdout);
  }

  static void PrintOperation(const char* name, const Histogram& times, double seconds) {
    if (times.count() == 0) return;
    std::printf(R"(, "%s": {"requests": %llu, "requests_per_second": %.1f, )", name,
                static_cast<unsigned long long>(times.count()),
                static_cast<double>(times.count()) / seconds);
    std::printf(R"("p50_ms": %.4f, "p95_ms": %.4f, "p99_ms": %.4f, "p999_ms": %.4f, )",
                times.PercentileMs(0.5), times.PercentileMs(0.95), times.PercentileMs(0.99),
                times.PercentileMs(0.999));
    std::printf(R"("max_ms": %.4f})", times.max_ms());
  }

  const Options& options_;
  const int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::unique_ptr<Total>> groups_;
  std::deque<Client> clients_;
  uint64_t broken_ = 0;  // connections that are to be made again
};

// As many open files as the system allows.
void RaiseOpenFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace
}  // namespace quorate::load

int main(int argc, char** argv) {
  const quorate::load::Options options = quorate::load::ParseOptions(argc, argv);
  quorate::load::RaiseOpenFileLimit();
  quorate::load::Run(options).Execute();
  return 0;
}
