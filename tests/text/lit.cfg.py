# Text tests: files with RUN lines, run by LLVM's lit, checked by FileCheck.
import os
import sys

import lit.formats

config.name = "gradc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".gir", ".json", ".test"]
config.excludes = ["inputs"]
config.test_source_root = os.path.dirname(os.path.abspath(__file__))

# Where the tools lie: lit --param gradc=FILE --param tools=DIRECTORY (with FileCheck and not) --param output=DIRECTORY.
root = os.path.dirname(os.path.dirname(config.test_source_root))
gradc = lit_config.params.get("gradc", os.path.join(root, "build", "gradc"))
tools = lit_config.params.get("tools", "/usr/lib/llvm-19/bin")
config.test_exec_root = lit_config.params.get("output", os.path.join(os.path.dirname(gradc), "text-tests"))
for tool in (gradc, os.path.join(tools, "FileCheck"), os.path.join(tools, "not")):
    if not os.access(tool, os.X_OK):
        lit_config.fatal(f"{tool} is missing")

# RUN lines say gradc, FileCheck and not; %gradc, %FileCheck and %not mean the same.
config.environment["PATH"] = os.pathsep.join([os.path.dirname(gradc), tools, os.environ.get("PATH", "")])
config.environment["NO_COLOR"] = "1"
config.environment["FILECHECK_OPTS"] = "--dump-input=fail"
config.substitutions += [
    ("%gradc", gradc),
    ("%FileCheck", os.path.join(tools, "FileCheck")),
    ("%not", os.path.join(tools, "not")),
    ("%root", root),
]
config.available_features.add(sys.platform)
