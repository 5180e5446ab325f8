#include "src/config/config_documents.h"

#include <algorithm>
#include <string_view>

#include "src/base/version.h"
#include "src/config/config.h"
#include "src/config/config_directives.h"

namespace quorate {
namespace {

constexpr size_t kCommentColumns = 78;

constexpr std::string_view kManualHead = R"(.SH NAME
quorate\-server \- replicated, strongly consistent store that speaks the Redis protocol
.SH SYNOPSIS
.B quorate\-server
.RI [ FILE ]
.RB [ \-\-\fIDIRECTIVE\fP
.IR VALUE " ...]"
.RB [ \- ]
.br
.B quorate\-server \-\-check\-backup
.I FILE
.br
.B quorate\-server \-h | \-\-help | \-v | \-\-version
.SH DESCRIPTION
Three or five
.B quorate\-server
processes answer as one Redis. A write is acknowledged when it is on disk on a majority of them, and every read sees
all writes that were acknowledged before it. A minority may fail without loss.
.PP
Without arguments it is a cluster of one, on 127.0.0.1:6379, with its data in ./data.
.PP
.I FILE
is a configuration file in the form of redis.conf, and
.B \-
is one on standard input. Each line is a directive and its value; # starts a comment, and
.BI "include " FILE
reads another file. Flags override files. Numbers of bytes may have a unit: 1k, 1kb, 1mb, 1gb.
.SH OPTIONS
.TP
.BI \-\-check\-backup " FILE"
Verify a backup from end to end, say what it holds, and exit.
.TP
.BR \-h ", " \-\-help
Print a summary of all directives, and exit.
.TP
.BR \-v ", " \-\-version
Print the version, and exit.
)";

constexpr std::string_view kManualTail = R"(.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
Hand leadership over, where this server leads, and exit.
.TP
.B SIGHUP
Open the log's file by its name again, where it was moved.
.SH EXIT STATUS
0 after SIGTERM or SIGINT, and where it was only to print something; 1 if it cannot start or cannot go on: its log
says why.
.SH EXAMPLES
.nf
quorate\-server \-\-port 7777
quorate\-server /etc/quorate/quorate.conf \-\-loglevel verbose
quorate\-server \-\-node\-id 1 \-\-port 7001 \-\-dir d1 \-\-initial\-cluster \e
    1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003
.fi
.SH SEE ALSO
.BR redis\-cli (1),
.BR redis\-benchmark (1)
)";

// Text of ours as man(7) reads it: a hyphen stays one that can be copied, and nothing at the
// beginning of a line passes for a macro.
std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      if (escaped.empty() && (c == '.' || c == '\'')) escaped += "\\&";
      escaped += c;
    }
  }
  return escaped;
}

std::string Quoted(const std::string& value) { return value.empty() ? "\"\"" : value; }

// `text` in lines of comments.
void AppendComment(std::string_view text, std::string* out) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, kCommentColumns);
    if (line.size() < text.size()) {
      if (const size_t blank = line.rfind(' '); blank != line.npos) line = line.substr(0, blank);
    }
    out->append("# ").append(line).append("\n");
    text.remove_prefix(line.size());
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  }
}

void AppendManualEntry(const Directive& directive, const Config& defaults, std::string* page) {
  page->append(".TP\n");
  if (directive.group == DirectiveGroup::kFixed) {
    page->append(".B " + Escaped(directive.name) + "\n");
    page->append(Escaped(directive.help) + ". Always " +
                 Escaped(Quoted(DefaultOf(directive, defaults))) + ".\n");
    return;
  }
  page->append(".BI \"" + Escaped(directive.name) + " \" \"" + Escaped(directive.placeholder) +
               "\"\n");
  page->append(Escaped(directive.help) +
               ". Default: " + Escaped(Quoted(DefaultOf(directive, defaults))) + ".");
  page->append(directive.changeable ? " Changeable by CONFIG SET.\n" : "\n");
}

}  // namespace

std::string MakeManualPage() {
  std::string page = ".TH QUORATE\\-SERVER 1 \"\" \"Quorate " + std::string(kVersion) + "\"\n";
  page += kManualHead;
  page += ".SH DIRECTIVES\n";
  page += "Each is a line of a configuration file, or a flag with \\-\\- before its name.\n";
  const Config defaults;
  const Directive* before = nullptr;
  for (const Directive& directive : Directives()) {
    if (before == nullptr || before->group != directive.group) {
      page.append(".SS ").append(Escaped(Heading(directive.group))).append("\n");
    }
    AppendManualEntry(directive, defaults, &page);
    before = &directive;
  }
  page += kManualTail;
  return page;
}

std::string MakeSampleConfiguration() {
  std::string file;
  AppendComment(
      "Configuration of quorate-server. Every directive is here with its default; what "
      "is commented out has it anyway. A size may have a unit: 1k 1kb 1mb 1gb.",
      &file);
  const Config defaults;
  const Directive* before = nullptr;
  for (const Directive& directive : Directives()) {
    if (directive.group == DirectiveGroup::kFixed) continue;
    if (before == nullptr || before->group != directive.group) {
      file.append("\n# ---- ").append(Heading(directive.group)).append(" ----\n");
    }
    file += '\n';
    AppendComment(std::string(directive.name) + " " + std::string(directive.placeholder), &file);
    AppendComment(std::string(directive.help) + "." +
                      (directive.changeable ? " Changeable by CONFIG SET." : ""),
                  &file);
    file.append("#")
        .append(directive.name)
        .append(" ")
        .append(Quoted(DefaultOf(directive, defaults)))
        .append("\n");
    before = &directive;
  }
  return file;
}

}  // namespace quorate
