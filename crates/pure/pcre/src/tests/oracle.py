# PCRE2 itself, asked over pipes. A line in: options as a number, the pattern, then subjects with the
# place where the search begins, in hexadecimal. A line out: `e` for a pattern that is refused, or for each
# subject `start-end`, `n` for no match, `l` for a limit.
import ctypes, sys
pcre = ctypes.CDLL("libpcre2-8.so.0")
for name in ("compile", "match_data_create", "get_ovector_pointer"):
    getattr(pcre, f"pcre2_{name}_8").restype = ctypes.c_void_p
data = ctypes.c_void_p(pcre.pcre2_match_data_create_8(1, None))
pcre.pcre2_get_ovector_pointer_8.restype = ctypes.POINTER(ctypes.c_size_t)
found = pcre.pcre2_get_ovector_pointer_8(data)
for line in sys.stdin:
    options, pattern, *subjects = line.rstrip("\n").split(" ")
    pattern = bytes.fromhex(pattern)
    error, at = ctypes.c_int(), ctypes.c_size_t()
    code = pcre.pcre2_compile_8(pattern, ctypes.c_size_t(len(pattern)), ctypes.c_uint32(int(options)),
                                ctypes.byref(error), ctypes.byref(at), None)
    if not code:
        print("e", flush=True)
        continue
    answers = []
    for subject in subjects:
        begin, text = subject.split(":")
        text = bytes.fromhex(text)
        result = pcre.pcre2_match_8(ctypes.c_void_p(code), text, ctypes.c_size_t(len(text)),
                                    ctypes.c_size_t(int(begin)), 0, data, None)
        answers.append(f"{found[0]}-{found[1]}" if result >= 0 else "n" if result == -1 else "l")
    print(" ".join(answers), flush=True)
    pcre.pcre2_code_free_8(ctypes.c_void_p(code))
