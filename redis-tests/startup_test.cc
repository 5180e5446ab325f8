// One process: what it takes to start, what it refuses, what it says, how it ends.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "redis-tests/support/child_process.h"
#include "redis-tests/support/client.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/free_ports.h"
#include "redis-tests/support/raw_connection.h"
#include "redis-tests/support/temporary_folder.h"

namespace quorate::redis_tests {

namespace {

class Startup : public ::testing::Test {
 protected:
  using Flags = std::vector<std::string>;

  std::unique_ptr<ChildProcess> StartServer(const Flags& flags) {
    return ChildProcess::Start({CommandLine(flags), folder_.path(), -1, -1, -1});
  }
  // A server in the test's folder that serves; with the flags given, on the port they name.
  std::unique_ptr<ChildProcess> StartServing(const Flags& flags, uint16_t port) {
    auto server = StartServer(flags);
    EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
      return Client(port).Command({"SET", "serving", "yes"}) == Status("OK");
    }));
    return server;
  }
  void ExpectCleanStop(ChildProcess* server) {
    server->Signal(SIGTERM);
    EXPECT_EQ(server->WaitForEnd(kDeadlineMs), (ProcessEnd{0, 0}));
  }
  // That a server with these flags says all of `words` on stderr and exits with 1.
  void ExpectRefused(const Flags& flags, const std::vector<std::string>& words,
                     const std::string& input = "") {
    const ProgramResult result = RunProgram(CommandLine(flags), input, kDeadlineMs, folder_.path());
    std::string line;
    for (const std::string& flag : flags) {
      line += flag + " ";
    }
    EXPECT_EQ(result.end, (ProcessEnd{1, 0})) << line << "\n" << result.error;
    for (const std::string& word : words) {
      EXPECT_NE(result.error.find(word), std::string::npos)
          << line << "\nshould say '" << word << "' but says\n"
          << result.error;
    }
  }
  Flags CommandLine(const Flags& flags) const {
    Flags line = {QUORATE_SERVER};
    line.insert(line.end(), flags.begin(), flags.end());
    return line;
  }
  std::string WriteFile(const std::string& name, const std::string& text) const {
    const std::string path = folder_.path() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  TemporaryFolder folder_;
  const uint16_t port_ = FreePorts(1).front();
  const std::string port_text_ = std::to_string(port_);
};

TEST_F(Startup, OnePortIsEnoughForAUsefulClusterOfOne) {
  auto server = StartServing({"--port", port_text_}, port_);
  Client client(port_);
  EXPECT_EQ(client.Command({"SET", "a", "1"}), Status("OK"));
  EXPECT_EQ(client.Command({"GET", "a"}), Text("1"));
  EXPECT_EQ(Field(client.Command({"CLUSTER", "INFO"}).text, "cluster_state"), "ok");
  EXPECT_TRUE(std::filesystem::is_directory(folder_.path() + "/data"));
  ExpectCleanStop(server.get());
}

TEST_F(Startup, ASecondStartFindsTheData) {
  for (const int signal : {SIGTERM, SIGINT, SIGKILL}) {
    auto server = StartServing({"--port", port_text_}, port_);
    Client client(port_);
    const std::string key = "signal-" + std::to_string(signal);
    ASSERT_EQ(client.Command({"SET", key, "v"}), Status("OK"));
    server->Signal(signal);
    EXPECT_EQ(server->WaitForEnd(kDeadlineMs),
              (signal == SIGKILL ? ProcessEnd{-1, SIGKILL} : ProcessEnd{0, 0}));
  }
  auto server = StartServing({"--port", port_text_}, port_);
  EXPECT_EQ(Client(port_).Command({"MGET", "signal-15", "signal-2", "signal-9"}),
            Array({Text("v"), Text("v"), Text("v")}));
}

TEST_F(Startup, AConfigurationFileAndFlagsShareOneSetOfNames) {
  const std::string file = WriteFile("quorate.conf",
                                     "# a comment\n"
                                     "port 1\n"
                                     "timeout 7\n"
                                     "dir \"some where\"\n"
                                     "proto-max-bulk-len 2mb\n");
  auto server = StartServing({file, "--port", port_text_}, port_);
  Client client(port_);
  EXPECT_EQ(client.Command({"CONFIG", "GET", "port"}).elements[1], Text(port_text_));
  EXPECT_EQ(client.Command({"CONFIG", "GET", "timeout"}).elements[1], Text("7"));
  EXPECT_EQ(client.Command({"CONFIG", "GET", "proto-max-bulk-len"}).elements[1], Text("2097152"));
  EXPECT_TRUE(std::filesystem::is_directory(folder_.path() + "/some where"));
}

TEST_F(Startup, HelpAndVersionGoToStdoutAndExitWithZero) {
  for (const char* flag : {"--version", "-v"}) {
    const ProgramResult result = RunProgram(CommandLine({flag}), "", kDeadlineMs);
    EXPECT_EQ(result.end, (ProcessEnd{0, 0}));
    EXPECT_NE(result.output.find("0.1.0"), std::string::npos) << result.output;
  }
  for (const char* flag : {"--help", "-h"}) {
    const ProgramResult result = RunProgram(CommandLine({flag}), "", kDeadlineMs);
    EXPECT_EQ(result.end, (ProcessEnd{0, 0}));
    for (const char* name : {"port", "bind", "dir", "node-id", "initial-cluster"}) {
      EXPECT_NE(result.output.find(name), std::string::npos) << name;
    }
  }
}

TEST_F(Startup, WrongOptionsAndValuesAreNamed) {
  ExpectRefused({"--nosuchoption", "1"}, {"nosuchoption"});
  ExpectRefused({"--port", "99999"},
                {"port", "99999", "argument must be between 0 and 65535 inclusive"});
  ExpectRefused({"--port", "x"}, {"port"});
  ExpectRefused({"--port"}, {"port"});
  ExpectRefused({"--loglevel", "loud"}, {"loglevel", "loud"});
  ExpectRefused({"--node-id", "-1"}, {"node-id"});
  ExpectRefused({"--initial-cluster", "1=nonsense"}, {"initial-cluster"});
  ExpectRefused({"--node-id", "4", "--initial-cluster", "1=127.0.0.1:7001@17001"}, {"4"});
  ExpectRefused({"--initial-cluster", "1=127.0.0.1:7001@17001,1=127.0.0.1:7002@17002"},
                {"initial-cluster"});
  ExpectRefused({"no-such-file.conf"}, {"no-such-file.conf"});
  ExpectRefused({WriteFile("bad.conf", "timeout 1\nport 99999\n")},
                {"line 2", "port 99999", "argument must be between 0 and 65535 inclusive"});
  ExpectRefused({"-"}, {"line 1", "nosuchdirective"}, "nosuchdirective yes\n");
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/data"))
      << "a refused start left data behind";
}

TEST_F(Startup, ATakenPortIsNamed) {
  auto server = StartServing({"--port", port_text_}, port_);
  ExpectRefused({"--port", port_text_, "--dir", "other"}, {port_text_, "in use"});
  EXPECT_EQ(Client(port_).Command({"GET", "serving"}), Text("yes"));
}

TEST_F(Startup, AFolderThatAnotherProcessHoldsIsRefused) {
  auto server = StartServing({"--port", port_text_}, port_);
  const std::string other_port = std::to_string(FreePorts(1).front());
  ExpectRefused({"--port", other_port}, {"data"});
  EXPECT_EQ(Client(port_).Command({"SET", "a", "1"}), Status("OK"));
  EXPECT_EQ(Client(port_).Command({"GET", "a"}), Text("1"));
  ExpectCleanStop(server.get());
}

TEST_F(Startup, AFolderOfAnotherNodeOrClusterIsRefusedAndStaysIntact) {
  auto server = StartServing({"--port", port_text_}, port_);
  ExpectCleanStop(server.get());
  ExpectRefused({"--port", port_text_, "--node-id", "2"}, {"node"});
  ExpectRefused({"--port", port_text_, "--initial-cluster-token", "another"}, {"cluster"});
  server = StartServing({"--port", port_text_}, port_);
  EXPECT_EQ(Client(port_).Command({"GET", "serving"}), Text("yes"));
  ExpectCleanStop(server.get());
}

// For unit files: a disk that is not mounted must not begin a cluster of one.
TEST_F(Startup, WhereDataIsRequiredAnEmptyFolderIsRefused) {
  ExpectRefused({"--port", port_text_, "--require-data", "yes"}, {"data", "require-data is yes"});
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/data"));
  // As a mount point is, without its disk.
  std::filesystem::create_directory(folder_.path() + "/data");
  ExpectRefused({"--port", port_text_, "--require-data", "yes"}, {"data", "require-data is yes"});
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/data"));
  auto server = StartServing({"--port", port_text_}, port_);
  ExpectCleanStop(server.get());
  server = StartServing({"--port", port_text_, "--require-data", "yes"}, port_);
  ExpectCleanStop(server.get());
}

// The programs that set clusters of three up do the same for one.
TEST_F(Startup, AnInitialClusterOfOneCanBeCreated) {
  const auto server =
      StartServer({"--port", port_text_, "--initial-cluster", "1=127.0.0.1:" + port_text_});
  ASSERT_TRUE(
      Eventually(kDeadlineMs, [&] { return Client(port_).Command({"PING"}) == Status("PONG"); }));
  EXPECT_EQ(Client(port_).Command({"CLUSTER", "CREATE"}), Status("OK"));
  EXPECT_EQ(Client(port_).Command({"SET", "a", "1"}), Status("OK"));
  EXPECT_EQ(Client(port_).Command({"CLUSTER", "CREATE"}), Status("OK"));
  ExpectCleanStop(server.get());
}

TEST_F(Startup, AFolderThatCannotBeMadeIsNamed) {
  WriteFile("file", "");
  ExpectRefused({"--port", port_text_, "--dir", "file/below"}, {"file/below"});
}

TEST_F(Startup, TooManyClientsAreToldSo) {
  auto server = StartServing({"--port", port_text_, "--maxclients", "3"}, port_);
  // The connections that StartServing made may still be on their way out.
  std::vector<std::unique_ptr<Client>> clients;
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
    clients.clear();
    for (int i = 0; i < 3; ++i) {
      clients.push_back(std::make_unique<Client>(port_));
      if (clients.back()->Command({"PING"}) != Status("PONG")) {
        return false;
      }
    }
    return true;
  }));
  EXPECT_EQ(RawConnection(port_).ReadUntilClosed(), "-ERR max number of clients reached\r\n");
  EXPECT_EQ(clients.front()->Command({"PING"}), Status("PONG"));
  clients.clear();
  EXPECT_TRUE(
      Eventually(kDeadlineMs, [&] { return Client(port_).Command({"PING"}) == Status("PONG"); }));
}

// A limit on files' sizes (ulimit -f) is a disk that is full, and no signal that ends the process.
TEST_F(Startup, AFileThatMayNotGrowIsAFullDisk) {
  Flags line = {"/bin/sh", "-c", "ulimit -f 40000; exec \"$0\" \"$@\""};
  const Flags server_line = CommandLine({"--port", port_text_, "--request-timeout", "1000"});
  line.insert(line.end(), server_line.begin(), server_line.end());
  auto server = ChildProcess::Start({line, folder_.path(), -1, -1, -1});
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(port_).Command({"SET", "first", "1"}) == Status("OK");
  }));
  Client client(port_);
  Reply reply = Status("OK");
  for (int i = 0; i < 100 && reply == Status("OK"); ++i) {
    reply = client.Command({"SET", std::to_string(i), std::string(1 << 20, 'v')});
  }
  EXPECT_TRUE(reply.text.starts_with("UNKNOWN") || reply.text.starts_with("MISCONF")) << reply.text;
  EXPECT_EQ(client.Command({"GET", "first"}), Text("1"));
  EXPECT_TRUE(server->running());
}

TEST_F(Startup, AnIdleClientIsClosedAfterTheTimeoutAndABusyOneIsNot) {
  auto server = StartServing({"--port", port_text_, "--timeout", "1"}, port_);
  Client idle(port_);
  Client busy(port_);
  ASSERT_EQ(idle.Command({"PING"}), Status("PONG"));
  ASSERT_EQ(busy.Command({"PING"}), Status("PONG"));
  const std::string id = std::to_string(idle.Command({"CLIENT", "ID"}).integer);
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
    return busy.Command({"CLIENT", "LIST", "ID", id}) == Text("");
  }));
  EXPECT_FALSE(idle.Command({"PING"}).answered());
  EXPECT_EQ(busy.Command({"PING"}), Status("PONG"));
}

// Whoever takes a large reply slowly asks nothing meanwhile, and is busy all the same.
TEST_F(Startup, AClientThatStillTakesItsReplyIsNotIdle) {
  auto server = StartServing({"--port", port_text_, "--timeout", "2"}, port_);
  constexpr size_t kBytes = 15 << 20;
  ASSERT_EQ(Client(port_).Command({"SET", "large", std::string(kBytes, 'v')}), Status("OK"));
  const int slow = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int room = 64 << 10;
  setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(slow, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string request = "GET large\r\n";
  ASSERT_EQ(send(slow, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  const std::string head = "$" + std::to_string(kBytes) + "\r\n";
  size_t received = 0;
  std::vector<char> buffer(128 << 10);
  while (received < head.size() + kBytes + 2) {
    const ssize_t count = recv(slow, buffer.data(), buffer.size(), 0);
    if (count <= 0) break;
    received += static_cast<size_t>(count);
    // Takes several times as long as the timeout.
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
  }
  close(slow);
  EXPECT_EQ(received, head.size() + kBytes + 2);
}

TEST_F(Startup, StandardOutputThatNobodyReadsHoldsNothingUp) {
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  ASSERT_GT(fcntl(pipe_ends[1], F_SETPIPE_SZ, 4096), 0);
  auto server = ChildProcess::Start({CommandLine({"--port", port_text_, "--loglevel", "verbose"}),
                                     folder_.path(), -1, pipe_ends[1], -1});
  close(pipe_ends[1]);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(port_).Command({"SET", "serving", "yes"}) == Status("OK");
  }));
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(Client(port_).Command({"GET", "serving"}), Text("yes"));
  }
  std::string log;
  fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
    EXPECT_EQ(Client(port_).Command({"PING"}), Status("PONG"));
    char buffer[4096];
    for (ssize_t count = 0; (count = read(pipe_ends[0], buffer, sizeof buffer)) > 0;) {
      log.append(buffer, static_cast<size_t>(count));
    }
    return log.find(" lines of the log were lost: nobody took them") != std::string::npos;
  }));
  close(pipe_ends[0]);
  EXPECT_EQ(Client(port_).Command({"PING"}), Status("PONG"));
}

// As logrotate does it.
TEST_F(Startup, TheLogGoesOnUnderItsNameAfterAHangUp) {
  const std::string log = folder_.path() + "/quorate.log";
  auto server = StartServing({"--port", port_text_, "--logfile", log}, port_);
  std::filesystem::rename(log, log + ".1");
  server->Signal(SIGHUP);
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] { return std::filesystem::exists(log); }));
  ExpectCleanStop(server.get());
  std::ifstream file(log);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_NE(text.find("bye"), std::string::npos) << text;
}

// Else its own files would be what others take for standard output.
TEST_F(Startup, ClosedStandardDescriptorsStayEmpty) {
  Flags line = {"/bin/sh", "-c", "exec \"$0\" \"$@\" <&- >&- 2>&-"};
  const Flags server_line = CommandLine({"--port", port_text_});
  line.insert(line.end(), server_line.begin(), server_line.end());
  auto server = ChildProcess::Start({line, folder_.path(), -1, -1, -1});
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(port_).Command({"SET", "a", "1"}) == Status("OK");
  }));
  for (const char* descriptor : {"0", "1", "2"}) {
    const std::string name = "/proc/" + std::to_string(server->pid()) + "/fd/" + descriptor;
    EXPECT_EQ(std::filesystem::read_symlink(name), "/dev/null");
  }
  ExpectCleanStop(server.get());
}

TEST_F(Startup, TheLogSaysWhenItIsReady) {
  const std::string log = folder_.path() + "/quorate.log";
  auto server = StartServing({"--port", port_text_, "--logfile", log}, port_);
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
    std::ifstream file(log);
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    return text.find("Ready to accept connections") != std::string::npos;
  }));
}

}  // namespace

}  // namespace quorate::redis_tests
