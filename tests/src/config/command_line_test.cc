// The command line as a whole: flags, files, standard input, and which of them wins.
#include "src/config/command_line.h"

#include <gtest/gtest.h>

#include "src/base/version.h"
#include "src/config/config_directives.h"
#include "tests/src/config/config_support.h"

namespace quorate {
namespace {

TEST(CommandLine, NothingGivenIsAClusterOfOne) {
  const Config config = ParseGood({});
  EXPECT_EQ(config.port, 6379);
  EXPECT_EQ(config.dir, "./data");
  EXPECT_EQ(config.bind, (std::vector<BindAddress>{{"127.0.0.1", false}, {"::1", true}}));
  EXPECT_EQ(config.members, (std::vector<Member>{{0, "127.0.0.1", 6379, 16379}}));
  EXPECT_EQ(config.self(), config.members.front());
  EXPECT_EQ(config.config_file, "");
}

TEST(CommandLine, FlagsTakeTheirValueAsNextArgumentOrAfterEquals) {
  EXPECT_EQ(ParseGood({"--port", "7001"}).port, 7001);
  EXPECT_EQ(ParseGood({"--port=7001"}).port, 7001);
  EXPECT_EQ(ParseGood({"--PORT", "7001"}).port, 7001);
  EXPECT_EQ(ParseGood({"--port", "7001", "--port", "7002"}).port, 7002);
  EXPECT_EQ(ParseGood({"--logfile="}).logfile, "");
  EXPECT_EQ(ParseGood({"--initial-cluster=1=h:6379"}).initial_cluster, "1=h:6379");
}

// Values that look like flags of other programs are values here, up to the next "--".
TEST(CommandLine, ValuesMayBeginWithADash) {
  const Config config = ParseGood({"--bind", "127.0.0.1", "-::1", "--port", "7001"});
  EXPECT_EQ(config.bind, (std::vector<BindAddress>{{"127.0.0.1", false}, {"::1", true}}));
  EXPECT_EQ(config.port, 7001);
  EXPECT_EQ(ParseGood({"--bind", "-::1"}).bind, (std::vector<BindAddress>{{"::1", true}}));
  EXPECT_EQ(ParseGood({"--bind=-::1"}).bind, (std::vector<BindAddress>{{"::1", true}}));
  EXPECT_EQ(ParseGood({"--dir=--strange"}).dir, "--strange");
}

TEST(CommandLine, AnEmptyValueIsAValue) {
  EXPECT_EQ(ParseGood({"--save", "", "--logfile", "", "--port", "7001"}).port, 7001);
}

TEST(CommandLine, FlagsOverrideTheFileWhereverTheyStand) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("q.conf", "port 7001\ntimeout 5\n");
  const Config config = ParseGood({file, "--port", "7002"});
  EXPECT_EQ(config.port, 7002);
  EXPECT_EQ(config.timeout_seconds, 5u);
  EXPECT_EQ(config.config_file, file);

  EXPECT_EQ(ParseGood({"-", "--port", "7002"}, "port 7001\ntimeout 5").port, 7002);
  EXPECT_EQ(ParseGood({"--port", "7002", "-"}, "port 7001\ntimeout 5").port, 7002);
  EXPECT_EQ(ParseGood({"--port", "7002", "-"}, "port 7001\ntimeout 5").timeout_seconds, 5u);
}

TEST(CommandLine, StandardInputComesAfterTheFile) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("q.conf", "port 7001\ntimeout 5\n");
  const Config config = ParseGood({file, "-"}, "port 7003");
  EXPECT_EQ(config.port, 7003);
  EXPECT_EQ(config.timeout_seconds, 5u);
}

TEST(CommandLine, StandardInputIsReadOnlyWhenAsked) {
  EXPECT_EQ(ParseGood({"--timeout", "5"}, "port 7001").port, 6379);
}

TEST(CommandLine, HelpListsEveryDirectiveWithItsDefault) {
  for (const char* flag : {"--help", "-h"}) {
    const CommandLine result = Parse({flag});
    ASSERT_TRUE(std::holds_alternative<HelpText>(result));
    const std::string& text = std::get<HelpText>(result).text;
    for (const Directive& directive : Directives()) {
      EXPECT_NE(text.find("\n  --" + std::string(directive.name) + " "), std::string::npos)
          << directive.name;
    }
    EXPECT_NE(text.find("[6379]"), std::string::npos);
    EXPECT_NE(text.find("Usage: quorate-server"), std::string::npos);
  }
}

TEST(CommandLine, VersionNamesQuorateAndRedis) {
  for (const char* flag : {"--version", "-v"}) {
    const CommandLine result = Parse({flag});
    ASSERT_TRUE(std::holds_alternative<VersionText>(result));
    EXPECT_EQ(std::get<VersionText>(result).text,
              "Quorate server v=" + std::string(kVersion) + " redis=7.0.15 bits=64\n");
  }
}

TEST(CommandLine, CheckBackupStandsAlone) {
  const CommandLine result = Parse({"--check-backup", "dump.quorate"});
  ASSERT_TRUE(std::holds_alternative<CheckBackup>(result));
  EXPECT_EQ(std::get<CheckBackup>(result).path, "dump.quorate");
  EXPECT_EQ(ParseBad({"--check-backup"}).reason, "Bad directive or wrong number of arguments");
  EXPECT_EQ(ParseBad({"--port", "7001", "--check-backup", "dump.quorate"}).reason,
            "Bad directive or wrong number of arguments");
}

// The long forms are never values; the short ones could be.
TEST(CommandLine, HelpWinsOverTheRest) {
  EXPECT_TRUE(std::holds_alternative<HelpText>(Parse({"--port", "7001", "--help"})));
  EXPECT_TRUE(std::holds_alternative<VersionText>(Parse({"--nonsense", "--version"})));
  EXPECT_EQ(ParseBad({"--port", "7001", "-h"}).reason, "wrong number of arguments");
}

TEST(CommandLine, ErrorsNameTheFlag) {
  const ConfigError error = ParseBad({"--timeout", "1", "--port", "99999"});
  EXPECT_EQ(error.Message(), "\n*** FATAL CONFIG FILE ERROR (Quorate " + std::string(kVersion) +
                                 ") ***\n"
                                 "Reading the command line, at the flag --port\n"
                                 ">>> 'port \"99999\"'\n"
                                 "argument must be between 0 and 65535 inclusive\n");
}

TEST(CommandLine, WhatIsNoFlagIsRefused) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"-x"}, {"-p", "7001"}, {"--"}, {"--="}, {"--=1"}, {"--nonsense", "1"}, {"--include"}}) {
    EXPECT_EQ(ParseBad(arguments).reason, "Bad directive or wrong number of arguments");
  }
  const TemporaryFolder folder;
  const std::string file = folder.Write("q.conf", "");
  const ConfigError error = ParseBad({file, "more"});
  EXPECT_EQ(error.where, "Reading the command line");
  EXPECT_EQ(error.quoted, "more");
}

TEST(CommandLine, AFileThatCannotBeReadIsAnError) {
  const TemporaryFolder folder;
  const std::string missing = folder.PathOf("missing.conf");
  EXPECT_EQ(ParseBad({missing}).Message(), "\n*** FATAL CONFIG FILE ERROR (Quorate " +
                                               std::string(kVersion) +
                                               ") ***\n"
                                               "Fatal error, can't open config file '" +
                                               missing + "': No such file or directory\n");
  EXPECT_EQ(ParseBad({folder.PathOf("")}).reason,
            "Fatal error, can't open config file '" + folder.PathOf("") + "': Is a directory");
  EXPECT_EQ(ParseBad({""}).reason,
            "Fatal error, can't open config file '': No such file or directory");
}

TEST(CommandLine, EndlessInputIsRefused) {
  const std::string large(2 << 20, '\n');
  EXPECT_EQ(ParseBad({"-"}, large).reason,
            "Fatal error, can't open config file 'standard input': larger than 1048576 bytes");
  EXPECT_EQ(ParseBad({"/dev/zero"}).reason,
            "Fatal error, can't open config file '/dev/zero': larger than 1048576 bytes");
}

}  // namespace
}  // namespace quorate
