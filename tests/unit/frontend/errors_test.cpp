// Every kind of mistake in a spec: its exact message and place.
#include "load.h"

using namespace gradc;

namespace {

// A spec with three inputs; what is given stands on the lines from 2 on.
std::string spec(const std::string& rest) {
  return R"({"inputs": {"x": "f32[N,8]", "i": "f32[N,3,32,32]", "l": "i32[N]"}, )" + std::string("\n") + rest + "}";
}
std::string graph(const std::string& nodes) { return spec("\"graph\": [\n" + nodes + "]"); }
std::string errors(const std::string& rest) { return errors_of(spec(rest)); }
std::string node_errors(const std::string& nodes) { return errors_of(graph(nodes)); }

}  // namespace

TEST_CASE("unknown ops, layers, keys and names come with the nearest valid one") {
  CHECK(node_errors(R"({"op": "rellu", "x": "x"})") == "3:8: unknown op `rellu`; did you mean `relu`?\n");
  CHECK(node_errors(R"({"op": "conv2", "x": "i"})") == "3:8: unknown op `conv2`; did you mean `conv2d`?\n");
  CHECK(node_errors(R"({"op": "dropout", "x": "x", "rte": 0.3})") ==
        "3:29: dropout: unknown key `rte`; did you mean `rate`?\n");
  CHECK(node_errors(R"j({"name": "h", "value": "x + 1"}, {"op": "relu", "x": "hh"})j") ==
        "3:55: unknown name `hh`; did you mean `h`?\n");
  CHECK(node_errors(R"j({"name": "y", "value": "relu(x) + sigmod(x)"})j") ==
        "3:35: unknown function `sigmod`; did you mean `sigmoid`?\n");
  CHECK(node_errors(R"j({"name": "y", "value": "argmax(x, axs=1)"})j") ==
        "3:35: argmax: unknown argument `axs`; did you mean `axis`?\n");
  CHECK(node_errors(R"({"op": "relu", "x": "exp"})") == "3:22: `exp` is an op; apply it, as in exp(x)\n");
  CHECK(errors(R"("grph": [])") == "2:1: spec: unknown key `grph`; did you mean `graph`?\n");
}

TEST_CASE("a cycle is shown whole") {
  CHECK(node_errors("{\"name\": \"a\", \"value\": \"b + 1\"},\n {\"name\": \"b\", \"value\": \"c * 2\"},\n"
                    "  {\"name\": \"c\", \"value\": \"a - x\"}") ==
        "3:1: cycle: a → b → c → a\n  4:2: b stands here\n  5:3: c stands here\n");
  CHECK(node_errors(R"({"name": "a", "value": "a + 1"})") == "3:1: cycle: a → a\n");
}

TEST_CASE("names are given once, and are names") {
  CHECK(node_errors("{\"name\": \"a\", \"value\": \"x\"},\n{\"name\": \"a\", \"value\": \"x\"}") ==
        "4:10: `a` is declared twice\n  3:10: first declared here\n");
  CHECK(node_errors(R"({"name": "x", "value": "i"})") == "3:10: `x` is declared twice\n  1:13: first declared here\n");
  CHECK(node_errors(R"({"name": "a b", "value": "x"})") ==
        "3:10: `a b` is no name: a letter or _, then letters, digits and _\n");
  CHECK(errors(R"("parameters": {"x": "f32[3]"})") == "2:16: `x` is declared twice\n  1:13: first declared here\n");
  CHECK(errors(R"("parameters": {"step": "f32[3]"})") == "2:16: `step` is kept for the state of every training\n");
  CHECK(errors_of(R"({"inputs": {"x": "f32[N]", "x": "f32[N]"}})") ==
        "1:28: duplicate key `x`\n  1:13: first given here\n");
}

TEST_CASE("shapes that do not fit are shown with where each came from") {
  CHECK(node_errors("{\"name\": \"h\", \"value\": \"sum(i, axis=[2,3])\"},\n{\"name\": \"a\", \"value\": \"x + h\"}") ==
        "4:27: add: shapes differ: f32[N,8] and f32[N,3]\n  1:13: `x` is f32[N,8], from here\n"
        "  3:25: `h` is f32[N,3], from here\n");
  CHECK(node_errors(R"({"name": "a", "value": "x + l"})") ==
        "3:27: add: dtypes differ: f32[N,8] and i32[N]; cast one of them\n  1:13: `x` is f32[N,8], from here\n"
        "  1:53: `l` is i32[N], from here\n");
  CHECK(node_errors(R"({"name": "a", "value": "l * 0.5"})") ==
        "3:27: multiply: 0.5 is no i32, as the value beside it is; cast that to a float\n");
  CHECK(node_errors(R"({"op": "conv2d", "name": "c", "x": "x", "filters": 3, "kernel": 3})") ==
        "3:1: conv2d: `x` must be [N, channels, height, width], got f32[N,8]\n  1:13: `x` is f32[N,8], from here\n");
  CHECK(node_errors(R"({"op": "linear", "name": "c", "x": "l", "units": 3})") ==
        "3:1: linear: `x` must be a float, got i32[N]; cast it\n  1:53: `l` is i32[N], from here\n");
}

TEST_CASE("windows must fit") {
  CHECK(node_errors(R"({"op": "conv2d", "name": "c", "x": "i", "filters": 3, "kernel": 40})") ==
        "3:65: conv2d: kernel 40x40 is larger than its padded input 32x32\n  1:30: `i` is f32[N,3,32,32], from here\n");
  CHECK(node_errors(
            R"({"op": "conv2d", "name": "c", "x": "i", "filters": 3, "kernel": 9, "dilation": 4, "padding": 0})") ==
        "3:65: conv2d: kernel 9x9, dilated to 33x33, is larger than its padded input 32x32\n"
        "  1:30: `i` is f32[N,3,32,32], from here\n");
  CHECK(node_errors(R"({"op": "max_pool2d", "x": "i", "window": 0})") ==
        "3:42: max_pool2d: `window` must be a positive integer, got 0\n");
  CHECK(node_errors(R"({"op": "max_pool2d", "x": "i", "window": 5.5})") ==
        "3:42: max_pool2d: `window` must be a positive integer, got 5.5\n");
  CHECK(node_errors(R"({"op": "max_pool2d", "x": "i", "window": [2, -2]})") ==
        "3:46: max_pool2d: `window` must be a positive integer, got -2\n");
  CHECK(node_errors(R"({"op": "max_pool2d", "x": "i", "window": [2, 2, 2]})") ==
        "3:42: max_pool2d: `window` has 3 numbers, there are 2 spatial dimensions\n"
        "  1:30: `i` is f32[N,3,32,32], from here\n");
  CHECK(node_errors(R"({"op": "conv2d", "name": "c", "x": "i", "filters": 4, "kernel": 3, "groups": 2})") ==
        "3:78: conv2d: 2 groups divide not both the 3 channels of its input and its 4 filters\n"
        "  1:30: `i` is f32[N,3,32,32], from here\n");
  CHECK(node_errors(R"({"op": "conv2d", "name": "c", "x": "i", "filters": 4, "kernel": 3, "padding": "sane"})") ==
        "3:79: conv2d: `padding` must be sizes or \"same\", got \"sane\"; did you mean `same`?\n");
}

TEST_CASE("hostile numbers") {
  CHECK(node_errors(R"({"op": "linear", "name": "a", "x": "x", "units": 9223372036854775807})") ==
        "3:1: parameter `a.weight` has more elements than 64 bits can count: f32[9223372036854775807,8]\n"
        "  1:13: `x` is f32[N,8], from here\n");
  CHECK(node_errors(R"({"op": "linear", "name": "a", "x": "x", "units": 1e300})") ==
        "3:50: linear: `units` is too large: 1e300\n");
  CHECK(node_errors(R"({"op": "linear", "name": "a", "x": "x", "units": 1e999})") ==
        "3:50: number 1e999 is too large\n");
  CHECK(node_errors(R"({"op": "linear", "name": "a", "x": "x", "units": -1})") ==
        "3:50: linear: `units` must be a positive integer, got -1\n");
  CHECK(node_errors(R"({"op": "linear", "name": "a", "x": "x", "units": "8/0"})") ==
        "3:50: linear: `units` is too large: inf\n");
  CHECK(node_errors(R"({"op": "dropout", "x": "x", "rate": 1})") ==
        "3:37: dropout: `rate` must be at least 0 and less than 1, got 1\n  1:13: `x` is f32[N,8], from here\n");
  CHECK(node_errors(R"({"op": "relu", "x": "x"}, {"op": "relu", "repeat": 1000000})") ==
        "3:52: `repeat` is 1000000, at most 10000 copies are made\n");
  CHECK(errors_of(R"({"inputs": {"x": "f32[N,99999999999999999999]"}})") ==
        "1:25: a dimension that overflows 64 bits\n");
  CHECK(errors_of(R"({"inputs": {"x": "f32[9999999999,9999999999]"}})") ==
        "1:19: the shape's element count overflows 64 bits\n");
  CHECK(errors(R"("variables": {"n": 2.5}, "parameters": {"w": "f32[n]"})") ==
        "2:46: `n` is 2.5 and stands for a dimension of f32[n]\n");
}

TEST_CASE("a state that 64 bits can't address") {
  CHECK(
      errors(
          R"("parameters": {"a": "u8[4000000000000000000]", "b": "u8[4000000000000000000]", "c": "u8[4000000000000000000]"})") ==
      "2:80: the parameters up to `c`, which is u8[4000000000000000000], take more bytes than 64 bits can count\n");
}

TEST_CASE("wrong types of values") {
  CHECK(errors(R"("graph": {"a": 1}, "programs": [], "outputs": 3)") ==
        "2:10: `graph` must be a list, got an object\n2:47: `outputs` must be an object, got 3\n"
        "2:32: `programs` must be an object, got a list\n");
  CHECK(errors_of("[1, 2]") == "1:1: a spec must be an object, got a list\n");
  CHECK(errors_of("{}") == "1:1: a spec needs `inputs`, as in \"inputs\": { \"x\": \"f32[N,784]\" }\n");
  CHECK(errors_of(R"({"inputs": {"x": "f33[N]", "y": "f32[N", "z": 3}})") ==
        "1:19: unknown dtype `f33`; known: f32, f64, i32, i64, u32, u8, bool\n"
        "1:39: expected `,` or `]` in the shape\n1:47: a type must be a string, got 3\n");
  CHECK(node_errors(R"("relu", {"op": 3}, {"op": "linear", "name": 4, "x": "x"}, {})") ==
        "3:1: a node must be an object, got \"relu\"\n3:16: `op` must be a string, got 3\n"
        "3:45: 4 is no name: a letter or _, then letters, digits and _\n3:59: a node needs `op`, `block` or `value`, "
        "or a loop: `scan`, `while` or `cond`\n");
  CHECK(node_errors(R"({"op": "linear", "name": "a", "x": "x", "units": 3, "bias": "no"})") ==
        "3:61: linear: `bias` must be true or false, got \"no\"\n");
  CHECK(node_errors(R"({"op": "softmax", "x": "x", "axis": [1]})") ==
        "3:37: softmax: `axis` must be an integer, got a list\n");
  CHECK(errors(R"("gradc": 2)") == "2:10: this gradc reads specs of version 1, got 2\n");
}

TEST_CASE("malformed expressions are shown inside the string") {
  CHECK(node_errors(R"j({"name": "a", "value": "x + * 2"}, {"name": "b", "value": "relu(x"})j") ==
        "3:29: expected a value, found `*`\n3:66: expected `)`, found the end; `(` at character 5 is open\n");
  CHECK(node_errors(R"j({"name": "a", "value": "x]"})j") == "3:26: expected an operator or the end, found `]`\n");
  CHECK(node_errors(R"j({"name": "a", "value": "[1, 2] + x"})j") ==
        "3:25: a list is no value here; it can only be an attribute, as in axis=[1, 2]\n");
  CHECK(node_errors(R"j({"name": "a", "value": "sum(x, axis=1.5)"})j") ==
        "3:37: sum: `axis` must be an integer, got 1.5\n");
  CHECK(node_errors(R"j({"name": "a", "value": "cast(x, dtype=f16)"})j") ==
        "3:39: cast: `dtype` must be a dtype: f32, f64, i32, i64, u32, u8 or bool\n");
  CHECK(node_errors(R"j({"name": "a", "value": "grad(x)"})j") ==
        "3:25: grad: takes 2 arguments, as in grad(loss, w), got 1\n");
  CHECK(errors(R"j("functions": {"f": {"value": "x + 1"}}, "outputs": {"y": "f(f(x) * f(x))"})j").empty());
  CHECK(
      errors(
          R"j("functions": {"f": {"value": "x + q"}, "g": {"value": "f(x) + g(x)"}}, "outputs": {"y": "f(x)", "z": "g(x)"})j") ==
      "2:35: unknown name `q`; a function reads its operands, its arguments and variables only\n"
      "2:63: function `g` calls itself\n  2:103: in this use of `g`\n");
}

TEST_CASE("nodes that lack something") {
  CHECK(node_errors(R"({"op": "linear", "x": "x", "units": 4})") == "3:1: linear owns parameters and needs a `name`\n");
  CHECK(node_errors(R"({"op": "linear", "name": "a", "x": "x"})") ==
        "3:1: linear: `units` is missing: length of the result\n  1:13: `x` is f32[N,8], from here\n");
  CHECK(node_errors(R"({"op": "relu"})") == "3:1: relu: there is no node before it to take `x` from; give `x`\n");
  CHECK(node_errors(R"({"op": "add", "a": "x"})") == "3:1: add: `b` is missing\n");
  CHECK(node_errors(R"({"op": "relu", "value": "x"})") ==
        "3:1: a node is one of `op`, `block`, `value`, `scan`, `while` and `cond`, this one is several\n");
  CHECK(node_errors(R"({"op": "linear", "name": "a", "x": "x", "units": 2}, {"share": "b", "x": "x"})") ==
        "3:64: `share` must name a layer or a block, `b` is none\n");
  CHECK(node_errors("{\"op\": \"linear\", \"name\": \"a\", \"x\": \"x\", \"units\": 2},\n"
                    "{\"share\": \"a\", \"x\": \"i\"}")
            .starts_with("4:1: linear: shares `a.weight`, which is f32[2,8]; here it would be f32[2,32]\n"));
}

TEST_CASE("mistakes in blocks") {
  CHECK(errors(R"("blocks": {"b": {"graph": [{"op": "relu"}]}}, "graph": [{"block": "b", "name": "3e5", "x": "x"}])") ==
        "2:80: `3e5` is no name: a letter or _, then letters, digits and _\n");
  CHECK(errors(R"("blocks": {"b": {"arguments": ["c"], "graph": [{"op": "linear", "name": "f", "units": "c"}]},
  "r": {"graph": [{"block": "r", "name": "r"}]}}, "graph": [
  {"block": "b", "name": "1a", "x": "x"},
  {"block": "b", "name": "2a", "x": "x", "c": 2, "d": 4},
  {"block": "bb", "name": "3a", "x": "x"},
  {"block": "r", "name": "4a", "x": "x"},
  {"block": "b", "x": "x", "c": 3}])") ==
        "5:50: block `b`: unknown key `d`; known: name, block, share, repeat, x, c\n6:13: unknown block `bb`; did you "
        "mean `b`?\n"
        "4:3: block `b`: the argument `c` is missing\n"
        "3:19: block `r`: blocks are nested deeper than 32 levels; does it contain itself?\n"
        "  3:19: in this use of block `r`, as `r`\n  3:19: in this use of block `r`, as `r`\n"
        "  3:19: in this use of block `r`, as `r`\n  3:19: in this use of block `r`, as `r`\n"
        "8:3: block `b` owns parameters and needs a `name`\n");
}

TEST_CASE("mistakes in programs, optimizers and regularisers") {
  CHECK(errors(R"("programs": {"train": {"minimize": "x"}, "init": {"report": {"a": "x"}}, "e": {"optimizer": {}}})") ==
        "2:36: an objective must be a scalar float, got f32[N,8]; take its mean or sum\n"
        "2:42: a program can't be named `init`\n2:80: program `e` has `optimizer` and nothing to `minimize` or "
        "`maximize`\n");
  CHECK(errors(R"j("programs": {"train": {"minimize": "sum(x)", "optimizer": {"kind": "sgdd"}}})j") ==
        "2:68: unknown optimizer `sgdd`; did you mean `sgd`?\n");
  CHECK(errors(R"j("programs": {"train": {"minimize": "sum(x)", "optimizer": {"kind": "sgd", "momentun": 1}}})j") ==
        "2:75: sgd: unknown key `momentun`; did you mean `momentum`?\n");
  CHECK(errors(R"j("programs": {"train": {"minimize": "sum(x)", "optimizer": {"kind": "sgd", "momentum": 1}}})j") ==
        "2:87: sgd: `momentum` must be at least 0 and less than 1, got 1\n");
  CHECK(errors(R"j("programs": {"train": {"minimize": "sum(x)", "epochs": 0, "batch": 2.5}})j") ==
        "2:56: program `train`: `epochs` must be a positive integer, got 0\n"
        "2:68: program `train`: `batch` must be a positive integer, got 2.5\n");
  CHECK(errors(R"j("programs": {"train": {"minimize": "sum(x)"}})j") ==
        "2:36: program `train` has nothing to train: its objective depends on no parameter that is named and not "
        "frozen\n");
  CHECK(errors(R"j("parameters": {"w": "f32[3]"}, "freeze": "v*", "programs": {"train": {"minimize": "sum(w)"}})j") ==
        "2:42: `v*` matches no parameter; known: w\n");
  CHECK(errors(R"j("parameters": {"w": "f32[3]"}, "regularize": [{"l2": -1}])j") ==
        "2:54: regularize: `l2` is negative: -1\n");
  CHECK(errors(R"j("programs": {"t": {"report": {"loss": "x"}}})j") ==
        "2:14: a report can't be named `loss`, which the objective is\n");
  CHECK(errors(R"j("parameters": {"w": "f32[3,2]"}, "programs": {"t": {"report": {"rows": "w"}}})j") ==
        "2:47: the report `rows` is f32[3,2]; it must be a value per example, with the first dimension N, or a "
        "scalar\n");
}

TEST_CASE("names that the optimizer needs") {
  CHECK(errors(R"j("parameters": {"momentum": "f32[3]"}, "programs": {"train": {"minimize": "sum(momentum)",
    "optimizer": {"kind": "sgd", "momentum": 0.5}}})j") ==
        "2:16: `momentum` is a number of the optimizer `sgd`; give this another name\n");
  CHECK(errors(R"j("parameters": {"w": "f32[3]", "w.m": "f32[3]"}, "programs": {"train": {"minimize": "sum(w)",
    "optimizer": "adam"}})j") == "2:31: `w.m` is the name of the optimizer's slot of `w`\n");
}

TEST_CASE("mistakes in parameters and constants") {
  CHECK(errors(R"j("parameters": {"w": {"type": "f32[3]", "init": "norml(0,1)"}})j") ==
        "2:49: parameter `w`: unknown initialiser `norml`; did you mean `normal`?\n");
  CHECK(errors(R"("parameters": {"w": {"type": "f32[2]", "init": [1, 2, 3]}})") ==
        "2:48: parameter `w`: the elements are f32[3], the type is f32[2]\n");
  CHECK(errors(R"("parameters": {"w": {"type": "f32[2,2]", "init": [[1, 2], [3]]}})") ==
        "2:59: parameter `w`: this list has 1 items, the first of its level 2\n");
  CHECK(errors(R"("parameters": {"w": {"type": "i32[2]", "init": "normal"}})") ==
        "2:49: parameter `w`: initialiser `normal` draws floats, the parameter is i32[2]\n");
  CHECK(errors(R"("parameters": {"w": "f32[N]"})") ==
        "2:21: parameter `w` has the open dimension in f32[N]; its shape must be numbers\n");
  CHECK(errors(R"("constants": {"c": [1, "a"], "d": {"type": "u8[2]", "value": [1, 256]}})") ==
        "2:25: unknown name `a`\n2:66: constant `d`: 256 is no u8\n");
}

TEST_CASE("mistakes in data") {
  CHECK(
      errors(
          R"("data": {"train": {"format": "idxx"}, "test": {"generate": {"kind": "spirl"}}, "validation": {"fraction": 2}})") ==
      "2:30: unknown format `idxx`; did you mean `idx`?\n2:69: unknown generator `spirl`; did you mean `spiral`?\n"
      "2:107: data: `fraction` must be at least 0 and less than 1, got 2\n");
  CHECK(errors(R"("data": {"train": {"format": "idx", "lx": "a"}})") ==
        "2:37: data: `train`: unknown key `lx`; did you mean `x`?\n");
  CHECK(errors(R"("data": {"train": {"x": "a.csv"}, "test": {}})") ==
        "2:19: data: `train` has files and no `format`\n2:43: data: `test` needs files with their `format`, or "
        "`generate`\n");
}

TEST_CASE("overrides of the command line are checked in their place") {
  auto with = [](const std::string& path, const std::string& value) {
    SpecOptions options;
    options.set = {{path, value}};
    return errors_of(graph(R"({"op": "dropout", "name": "d", "x": "x"})"), options);
  };
  CHECK(with("graph.d.rate", "0.25").empty());
  CHECK(with("graph.0.rate", "2") ==
        "1:1: dropout: `rate` must be at least 0 and less than 1, got 2\n  1:13: `x` is f32[N,8], from here\n");
  CHECK(with("graph.d.rte", "2").find("unknown key `rte`; did you mean `rate`?") != std::string::npos);
  CHECK(with("grap.0.rate", "2") == "1:1: the spec has no `grap` there; did you mean `graph`?\n");
  CHECK(with("graph.d.rate", "half") == "1:2: unknown name `half`\n");
}

TEST_CASE("one mistake does not hide the others, nor make new ones") {
  CHECK(node_errors(
            "{\"name\": \"a\", \"value\": \"x + q\"},\n{\"op\": \"relu\"},\n{\"name\": \"b\", \"value\": \"a + 1\"},\n"
            "{\"op\": \"tanhh\", \"x\": \"x\"}") ==
        "6:8: unknown op `tanhh`; did you mean `tanh`?\n3:29: unknown name `q`\n");
  CHECK(node_errors(R"j({"name": "a", "value": "q + relu(r) * sum(x, axis=s, kep=true)"})j") ==
        "3:25: unknown name `q`\n3:34: unknown name `r`\n3:51: unknown name `s`\n"
        "3:54: sum: unknown argument `kep`; did you mean `keep`?\n");
  CHECK(node_errors("{\"name\": \"a\", \"value\": \"q\"},\n{\"name\": \"b\", \"value\": \"a + maximum(a, r)\"}") ==
        "3:25: unknown name `q`\n4:40: unknown name `r`\n");
  CHECK(node_errors(R"({"op": "matmul", "a": "q", "b": "r"})") == "3:24: unknown name `q`\n3:34: unknown name `r`\n");
  std::string both = node_errors(R"({"op": "sum", "x": "q", "axis": "x", "keep": 3})");
  CHECK(both ==
        "3:21: unknown name `q`\n3:34: `x` is f32[N,8], where a number is wanted\n3:46: sum: `keep` must be true "
        "or false, got 3\n");
}

TEST_CASE("what stands after a broken node, or in it, is looked at") {
  // A node that takes the broken one before it, as its operand or beside it.
  CHECK(
      node_errors("{\"op\": \"linear\", \"name\": \"a\", \"x\": \"x\", \"units\": 0},\n"
                  "{\"op\": \"linear\", \"name\": \"b\", \"units\": -3, \"init\": \"nromal\"},\n"
                  "{\"op\": \"softmax\", \"axis\": [1]},\n{\"op\": \"linear\", \"name\": \"c\"}") ==
      "3:50: linear: `units` must be a positive integer, got 0\n"
      "4:40: linear: `units` must be a positive integer, got -3\n"
      "4:53: linear: `init`: unknown initialiser `nromal`; did you mean `normal`?\n"
      "5:27: softmax: `axis` must be an integer, got a list\n6:1: linear: `units` is missing: length of the result\n");
  // One whose key is unknown, or whose repetition is none.
  CHECK(node_errors("{\"op\": \"linear\", \"name\": \"a\", \"x\": \"q\", \"unit\": 3},\n"
                    "{\"op\": \"add\", \"a\": \"x +\", \"b\": \"r\", \"repeat\": 0}") ==
        "3:41: linear: unknown key `unit`; did you mean `units`?\n4:47: `repeat` must be a positive integer, got 0\n"
        "4:24: expected a value, found the end\n3:37: unknown name `q`\n4:33: unknown name `r`\n");
  // Calls, derivatives and indices around a broken value.
  const std::string broken = "{\"op\": \"linear\", \"name\": \"a\", \"x\": \"x\", \"units\": 0},\n";
  CHECK(node_errors(broken + R"j({"name": "b", "value": "grad(sum(a), nope)"})j") ==
        "3:50: linear: `units` must be a positive integer, got 0\n4:38: unknown name `nope`\n");
  CHECK(node_errors(broken + R"j({"name": "b", "value": "a[qq, 0:rr]"})j") ==
        "3:50: linear: `units` must be a positive integer, got 0\n4:27: unknown name `qq`\n4:33: unknown name `rr`\n");
  CHECK(errors(R"j("functions": {"f": {"arguments": {"k": 1}, "value": "x * k"}}, "graph": [)j"
               "\n" +
               broken + R"j({"name": "b", "value": "f(a, kk=2)"}, {"op": "f", "x": "a", "k": "kk"}])j") ==
        "3:50: linear: `units` must be a positive integer, got 0\n"
        "4:30: f: unknown argument `kk`; did you mean `k`?\n4:67: unknown name `kk`\n");
}

TEST_CASE("every part of a program is looked at, whatever is wrong with the others") {
  CHECK(errors(R"j("programs": {"train": {"minimize": "nope", "optimizer": {"kind": "sgdd"}, "epochs": 0, "batch": "b",
    "monitor": 3, "report": {"r": "nop"}}})j") ==
        "3:36: unknown name `nop`\n2:37: unknown name `nope`\n2:66: unknown optimizer `sgdd`; did you mean `sgd`?\n"
        "2:85: program `train`: `epochs` must be a positive integer, got 0\n"
        "3:16: program `train`: `monitor` must be a string, got 3\n2:98: unknown name `b`\n");
  CHECK(errors(R"j("programs": {"train": {"minimize": "sum(x)", "optimizr": "adam", "optimizer": {"kind": "sgd",
    "learning_rate": -1, "momentum": 2, "nestrov": true}}})j") ==
        "2:46: program `train`: unknown key `optimizr`; did you mean `optimizer`?\n"
        "3:41: sgd: unknown key `nestrov`; did you mean `nesterov`?\n"
        "3:22: sgd: `learning_rate` must be 0 or more, got -1\n"
        "3:38: sgd: `momentum` must be at least 0 and less than 1, got 2\n");
}

TEST_CASE("deep and long graphs neither overflow nor hang") {
  std::string nodes;
  for (int i = 0; i < 3000; ++i)  // each reads the one behind it
    nodes += "{\"name\": \"n" + std::to_string(i) + "\", \"value\": \"n" + std::to_string(i + 1) + " + 1\"},\n";
  CHECK(node_errors(nodes + R"({"name": "n3000", "value": "x"})").empty());
  CHECK(errors_of(std::string(100000, '[')).find("nested deeper than 200 levels") != std::string::npos);
}

TEST_CASE("layers of images say what does not fit") {
  auto first = [](const std::string& nodes) {
    std::string all = node_errors(nodes);
    return all.substr(0, all.find('\n'));
  };
  CHECK(
      first(
          R"({"op": "conv_transpose2d", "name": "a", "x": "i", "filters": 2, "kernel": 3, "stride": 2, "output_padding": 2})") ==
      "3:109: conv_transpose2d: `output_padding` must be less than the stride 2, got 2");
  CHECK(first(R"({"op": "conv_transpose2d", "name": "a", "x": "i", "filters": 2, "kernel": 1, "padding": 16})") ==
        "3:89: conv_transpose2d: padding 16 leaves nothing of dimension 2, which is 32 without it");
  CHECK(first(R"({"op": "conv2d", "name": "a", "x": "i", "filters": 2, "kernel": 3, "padding": [1, 1, 1]})") ==
        "3:79: conv2d: `padding` has 3 numbers; it takes 1, 2 (each spatial dimension) or 4 (before each, then after "
        "each)");
  CHECK(first(R"({"op": "conv3d", "name": "a", "x": "i", "filters": 2, "kernel": 3})") ==
        "3:1: conv3d: `x` must be [N, channels, depth, height, width], got f32[N,3,32,32]");
  CHECK(first(R"({"op": "bilinear", "name": "a", "x1": "x", "x2": "i", "units": 2})") ==
        "3:1: bilinear: `x1` and `x2` must differ in their last dimension only, got f32[N,8] and f32[N,3,32,32]");
  CHECK(first(R"({"op": "group_norm", "name": "a", "x": "i", "groups": 2})") ==
        "3:55: group_norm: can't cut the 3 channels of its input into 2 groups");
  CHECK(first(R"({"op": "layer_norm", "name": "a", "x": "x", "dimensions": 3})") ==
        "3:59: layer_norm: can't normalise over 3 dimensions of f32[N,8]");
  CHECK(first(R"({"op": "cutout", "x": "x", "size": 3})") ==
        "3:1: cutout: `x` must be [N, channels, height, width], got f32[N,8]");
  CHECK(first(R"({"op": "mixup_share", "x": "x", "alpha": 0})") == "3:42: mixup_share: `alpha` must be more than 0");
  CHECK(first(R"({"op": "depthwise_conv2d", "x": "i", "kernel": 3})") ==
        "3:1: depthwise_conv2d owns parameters and needs a `name`");
}
