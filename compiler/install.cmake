# cmake --install: the command, and a package with gradc::gradc (the C++ API) and gradc::runtime (without LLVM).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gradc)

set_target_properties(gradc_api PROPERTIES EXPORT_NAME gradc)
foreach(room ir analysis autodiff passes lower pipeline frontend codegen runtime)
  set_target_properties(gradc_${room} PROPERTIES EXPORT_NAME ${room})
endforeach()
foreach(room ir analysis autodiff passes lower pipeline frontend codegen runtime api)
  target_include_directories(gradc_${room} INTERFACE $<INSTALL_INTERFACE:${GRADC_INCLUDE_DIR}>)
  target_compile_features(gradc_${room} INTERFACE cxx_std_20)
endforeach()
add_library(gradc::gradc ALIAS gradc_api)
add_library(gradc::runtime ALIAS gradc_runtime)

# Two sets of targets, so that the runtime alone asks for no LLVM.
install(TARGETS gradc_runtime EXPORT gradc_runtime_targets)
install(TARGETS gradc_ir gradc_analysis gradc_autodiff gradc_passes gradc_lower gradc_pipeline gradc_frontend gradc_codegen
  gradc_api EXPORT gradc_targets)
install(EXPORT gradc_runtime_targets NAMESPACE gradc:: FILE gradc-runtime.cmake DESTINATION ${package_dir})
install(EXPORT gradc_targets NAMESPACE gradc:: FILE gradc-compiler.cmake DESTINATION ${package_dir})
if(TARGET gradc)
  install(TARGETS gradc)
endif()

install(DIRECTORY runtime/include/ DESTINATION ${GRADC_INCLUDE_DIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ir DESTINATION ${GRADC_INCLUDE_DIR} FILES_MATCHING PATTERN "*.h" PATTERN "ops" EXCLUDE)
install(DIRECTORY compiler/include/ ${GRADC_GENERATED_INCLUDE}/ DESTINATION ${GRADC_INCLUDE_DIR}
  FILES_MATCHING PATTERN "*.h")

configure_package_config_file(compiler/gradc-config.cmake.in ${PROJECT_BINARY_DIR}/gradc-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gradc-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/gradc-config.cmake ${PROJECT_BINARY_DIR}/gradc-config-version.cmake
  DESTINATION ${package_dir})
