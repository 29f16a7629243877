# What code generation needs of LLVM, as archives. The shared library has every target and every tool: relocating it and
# running its initialisers takes 60 ms of each process, linking the parts takes none of that. Everything else links the
# shared library, which keeps the test programs small.
if(NOT GRADC_LLVM_ARCHIVES)
  return()
endif()

set(archives LLVM${LLVM_NATIVE_ARCH}CodeGen LLVMOrcJIT LLVMPasses)
foreach(archive ${archives})
  if(NOT TARGET ${archive})
    return()
  endif()
endforeach()

# LLVM's archives name zstd's shared library, whose development package they do not depend on.
if(LLVM_ENABLE_ZSTD AND NOT TARGET zstd::libzstd_shared)
  find_library(GRADC_ZSTD NAMES zstd libzstd.so.1)
  if(NOT GRADC_ZSTD)
    return()
  endif()
  add_library(zstd::libzstd_shared SHARED IMPORTED)
  set_target_properties(zstd::libzstd_shared PROPERTIES IMPORTED_LOCATION ${GRADC_ZSTD})
endif()

include(CheckLinkerFlag)
add_library(gradc_llvm_archives INTERFACE)
target_link_libraries(gradc_llvm_archives INTERFACE ${archives})
# Unused sections go; so do libraries that only dropped parts would call.
target_link_options(gradc_llvm_archives INTERFACE -Wl,--gc-sections -Wl,--as-needed)
check_linker_flag(CXX -Wl,-z,pack-relative-relocs GRADC_PACKS_RELOCATIONS)
if(GRADC_PACKS_RELOCATIONS)
  target_link_options(gradc_llvm_archives INTERFACE -Wl,-z,pack-relative-relocs)
endif()
# At a fixed address, with the C++ library inside, the command has next to nothing to relocate: 6 ms of each process.
# Sanitizers and debuggers keep the usual form.
check_linker_flag(CXX -no-pie GRADC_LINKS_AT_AN_ADDRESS)
if(GRADC_LINKS_AT_AN_ADDRESS)
  target_link_options(gradc_llvm_archives INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-no-pie> $<$<NOT:$<CONFIG:Debug>>:-static-libstdc++> $<$<NOT:$<CONFIG:Debug>>:-static-libgcc>)
endif()
