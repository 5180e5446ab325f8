#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quorate::resp {

// Splits a line into arguments as Redis does for inline commands and for its configuration file.
// Arguments are separated by blanks. "Double quotes" may hold blanks and the escapes \n \r \t \b \a
// \xHH; a backslash before any other byte stands for that byte. 'Single quotes' hold anything, with
// \' for the quote itself. A quote may begin within an argument, but a closing quote must be
// followed by a blank or the end of the line. Backslashes outside quotes are ordinary.
//
// Replaces the contents of `arguments`. An argument without quotes is a view into `line`; one with
// quotes is a view into `unescaped`, whose contents are replaced too: the arguments live as long as
// both stay unchanged. No memory is allocated when the capacity of both suffices. False if quotes
// are unbalanced; `arguments` is then meaningless.
bool SplitArguments(std::string_view line, std::vector<std::string_view>* arguments,
                    std::string* unescaped);

}  // namespace quorate::resp
