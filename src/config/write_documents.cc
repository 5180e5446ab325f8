// Writes what is installed beside the server to be read into a folder: quorate-server.1 and
// quorate.conf. The build runs it.
#include <fstream>
#include <iostream>
#include <string>

#include "src/config/config_documents.h"

namespace {

bool Write(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) std::cerr << "write_documents: cannot write " << path << '\n';
  return file.good();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "Usage: write_documents FOLDER\n";
    return 1;
  }
  const std::string folder = argv[1];
  return Write(folder + "/quorate-server.1", quorate::MakeManualPage()) &&
                 Write(folder + "/quorate.conf", quorate::MakeSampleConfiguration())
             ? 0
             : 1;
}
