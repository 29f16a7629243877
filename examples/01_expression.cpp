// Lesson 1: the value and the gradient of an expression. Prints:
//
//   f = -12
//   gradient (-4, -4, 3)
//   d2f/dxdz = 1
//
// By hand, at x = -2, y = 5, z = -4: q = x + y = 3 and f = q z = -12. Backwards: ∂f/∂q = z = -4 and ∂f/∂z = q = 3; q
// hands its adjoint on to both of its terms, so ∂f/∂x = ∂f/∂y = -4.
#include <gradc/gradc.h>

#include <iostream>

using namespace gradc;

int main() {
  // A model owns the graph; an Expr is a value of it. Nothing is computed while the graph is built.
  Model m("expression");
  Expr x = m.input("x", f64, {}), y = m.input("y", f64, {}), z = m.input("z", f64, {});  // {}: scalars
  Expr f = (x + y) * z;

  // A gradient is an expression as well, so it can be differentiated again.
  m.output("f", f);
  m.output("df_dx", grad(f, x));
  m.output("df_dy", grad(f, y));
  m.output("df_dz", grad(f, z));
  m.output("d2f_dxdz", grad(grad(f, x), z));

  // The outputs are computed by the program `predict`: one native function for value and gradients.
  Executable predict = compile(m, "predict");
  State state = m.init();  // without parameters it is empty
  Result r = predict(state, {{"x", {-2.0}}, {"y", {5.0}}, {"z", {-4.0}}});
  auto number = [&](const char* name) { return r[name].get(0); };

  std::cout << "f = " << number("f") << "\n";
  std::cout << "gradient (" << number("df_dx") << ", " << number("df_dy") << ", " << number("df_dz") << ")\n";
  std::cout << "d2f/dxdz = " << number("d2f_dxdz") << "\n";
  bool right = number("f") == -12 && number("df_dx") == -4 && number("df_dy") == -4 && number("df_dz") == 3 &&
               number("d2f_dxdz") == 1;
  return right ? 0 : 1;
}
