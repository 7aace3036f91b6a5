"""The refusals that learners meet most, each with the verifier's own words and ours in both languages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from labs.harness.events import Text


@dataclass(frozen=True)
class Reason:
    """`pattern` is searched for in one line of the log. Its group `insn`, if any, says where to look."""

    kind: str
    pattern: str
    text: Text
    why: Text

    def insn(self, said: str) -> int | None:
        """The instruction that the sentence itself points to."""
        match = re.search(self.pattern, said) if self.pattern else None
        number = match.groupdict().get("insn") if match else None
        return int(number) if number else None


REASONS = (
    Reason(
        "maybe-null",
        r"invalid mem access '(?P<what>\w*_or_null)'|R\d+ type=\w+_or_null expected=",
        Text("指针可能为空，没有先检查就使用", "a pointer that may be null is used without a check"),
        Text(
            "bpf_map_lookup_elem 和 bpf_ringbuf_reserve 可能返回空指针。使用之前写 if (!p) return 0;，"
            "verifier 在这之后才把它当作有效指针。",
            "bpf_map_lookup_elem and bpf_ringbuf_reserve may return null. Write if (!p) return 0; before the "
            "use: only behind that does the verifier take it for a valid pointer.",
        ),
    ),
    Reason(
        "not-a-pointer",
        r"R\d+ invalid mem access '(?:scalar|inv|fp|map_ptr)'",
        Text("把一个普通数值当作指针来读写", "a plain number is used as a pointer"),
        Text(
            "从内核结构里读出的地址，以及做过运算的指针，在 verifier 看来只是数值。用 BPF_CORE_READ 或 "
            "bpf_probe_read_kernel 读取它指向的内容；用户态地址用 bpf_probe_read_user。",
            "An address that was read out of a kernel structure, or a pointer after arithmetic, is a mere number to "
            "the verifier. Read what it points to with BPF_CORE_READ or bpf_probe_read_kernel; an address of "
            "user space with bpf_probe_read_user.",
        ),
    ),
    Reason(
        "outside-packet",
        r"invalid access to packet|R\d+ offset is outside of the packet",
        Text("读取报文之前没有和 data_end 比较", "the packet is read without a comparison with data_end"),
        Text(
            "每次读取之前都要证明 data + 偏移 + 长度 <= data_end；证明只对比较之后的那条分支有效，"
            "指针重新计算之后要再比一次。",
            "Before each read, show that data + offset + size <= data_end. The proof holds on the branch behind the "
            "comparison alone, and has to be made again once the pointer was computed anew.",
        ),
    ),
    Reason(
        "length-not-bounded",
        r"R\d+ unbounded memory access, use 'var &= const'|R\d+ min value is negative|R\d+ invalid zero-sized read"
        r"|math between \w+ pointer and register with unbounded|value -?\d+ makes \w+ pointer be out of bounds",
        Text("长度或下标没有上下界", "a length or an index has no bounds"),
        Text(
            "verifier 不知道这个变量有多大。用无符号类型，并在使用之前限制它：if (n > sizeof(buf)) n = sizeof(buf); "
            "或 n &= sizeof(buf) - 1（大小为 2 的幂时）。",
            "The verifier does not know how large this variable may get. Use an unsigned type and bound it before the "
            "use: if (n > sizeof(buf)) n = sizeof(buf); or n &= sizeof(buf) - 1 for a power of two.",
        ),
    ),
    Reason(
        "outside-value",
        r"invalid access to (?:map value|memory|map_value|buf)|R\d+ (?:max|min) value is outside of the allowed memory"
        r"|R\d+ unbounded memory access, make sure to bounds check",
        Text("访问超出了 map 值或缓冲区的范围", "an access goes beyond the map's value or the buffer"),
        Text(
            "verifier 按最坏的下标计算：偏移 + 大小必须不超过值的大小（日志里的 value_size 或 mem_size）。"
            "先检查下标，再做访问，并且两处用同一个变量。",
            "The verifier counts with the worst index: offset + size must stay within the value (value_size or "
            "mem_size in the log). Check the index first, then access with the same variable.",
        ),
    ),
    Reason(
        "stack",
        r"invalid (?:indirect )?(?:read|access|write) (?:from|to|off)?\s?(?:the )?stack|invalid variable-offset"
        r"|invalid unbounded variable-offset|misaligned (?:stack )?access|invalid stack (?:type|off)"
        r"|corrupted spill|combined stack size|invalid zero-size(?:d)? read from stack|invalid (?:read|write) to stack",
        Text(
            "读了栈上没有初始化的字节，或者访问了栈之外", "uninitialised bytes of the stack, or beyond it, are used"
        ),
        Text(
            "传给辅助函数的栈上变量必须每个字节都写过，结构体的填充字节也算：用 struct key k = {}; 或 "
            "__builtin_memset 清零。栈一共只有 512 字节，下标必须是常数或有界。",
            "What is passed to a helper from the stack must be written to the last byte, padding included: "
            "struct key k = {}; or __builtin_memset. The whole stack is 512 bytes, and an index into it must be "
            "constant or bounded.",
        ),
    ),
    Reason(
        "unreleased",
        r"Unreleased reference id=\d+ alloc_insn=(?P<insn>\d{1,9})|would lead to reference leak"
        r"|reference has not been acquired before",
        Text("取得的引用在某条路径上没有归还", "something that was taken is not given back on some path"),
        Text(
            "bpf_ringbuf_reserve 之后的每条路径，都要以 bpf_ringbuf_submit 或 bpf_ringbuf_discard 结束，"
            "提前返回的错误分支也一样；取得的 socket 用 bpf_sk_release 归还。",
            "Each path after bpf_ringbuf_reserve must end in bpf_ringbuf_submit or bpf_ringbuf_discard, early returns "
            "on errors too; a socket that was looked up goes back with bpf_sk_release.",
        ),
    ),
    Reason(
        "endless",
        r"infinite loop detected at insn (?P<insn>\d{1,9})|back-edge from insn \d+ to (?P<to>\d{1,9})"
        r"|BPF program is too large|is too complex|too many (?:instructions|states)|jumps is too complex",
        Text("verifier 不能确认循环会结束，或者程序太大", "the verifier cannot see that it ends, or it is too large"),
        Text(
            "循环次数要有编译时可见的上限：for (int i = 0; i < 16; i++)，或者用 bpf_loop。"
            "循环变量如果同时是 map 的键（&i），它就在栈上，旧内核跟踪不到它的值：在循环里复制一份当键。"
            "一次校验最多走 100 万条指令，所有路径加在一起。",
            "A loop needs a bound that can be seen at compile time: for (int i = 0; i < 16; i++), or bpf_loop. If i is "
            "also the key of a map (&i), it lies on the stack, where older kernels lose track of it: use a copy as the "
            "key. The verifier walks at most a million instructions, all paths together.",
        ),
    ),
    Reason(
        "licence",
        r"cannot call GPL-restricted function|cannot call GPL only function",
        Text("只有 GPL 程序才能调用这个辅助函数", "only a GPL program may call this helper"),
        Text(
            '加上 char LICENSE[] SEC("license") = "GPL";，内核据此决定哪些辅助函数可用。',
            'Add char LICENSE[] SEC("license") = "GPL"; the kernel decides by it which helpers may be called.',
        ),
    ),
    Reason(
        "core",
        r"invalid func unknown#195896080|<invalid CO-RE relocation>|unknown#195896080",
        Text("这个内核没有程序要用的字段或类型", "this kernel lacks a field or type that the program uses"),
        Text(
            "CO-RE 重定位在这个内核上失败了：字段改了名或不存在。"
            "用 bpf_core_field_exists 判断，并为另一个内核准备别的写法。",
            "A CO-RE relocation failed on this kernel: the field has another name or does not exist. Ask with "
            "bpf_core_field_exists and have another way ready for the other kernel.",
        ),
    ),
    Reason(
        "wrong-helper",
        r"unknown func \w+#\d+|program of this type cannot use helper|cannot use helper|invalid func \w+#\d+"
        r"|helper call is not allowed|calling kernel function .* is not allowed|helper call might sleep",
        Text("这类程序不能调用这个辅助函数", "a program of this type may not call this helper"),
        Text(
            "可用的辅助函数由程序类型（SEC(...)）决定，也和内核版本有关。换一个挂载点，或者换一个这里可用的辅助函数。",
            "Which helpers there are depends on the type of the program (its SEC) and on the kernel. Attach elsewhere, "
            "or take a helper that this type has.",
        ),
    ),
    Reason(
        "never-set",
        r"R\d+ !read_ok",
        Text(
            "使用了没有赋值的寄存器，多半是漏了返回值",
            "a register is used that was never set, often the return value",
        ),
        Text(
            "每条路径都要有返回值（R0）；变量在所有分支上都要先赋值。注意：调用辅助函数之后 R1 到 R5 不再有效。",
            "Each path needs a return value (R0), and a variable must be set on all branches before its use. After a "
            "call of a helper R1 to R5 are gone.",
        ),
    ),
    Reason(
        "context",
        r"invalid bpf_context access|dereference of modified ctx ptr|R\d+ invalid mem access 'ctx'",
        Text("读写了上下文里不允许的位置", "a place in the context is accessed that is not open"),
        Text(
            "上下文的大小和可访问的字段由程序类型决定。检查 SEC(...) 和参数类型是否对应；不要先对 ctx 做加减再解引用。"
            "clang 会把 memcpy 编译成这样：追踪类的程序把地址交给 bpf_probe_read_kernel，或用 BPF_CORE_READ 读字段。",
            "The type of the program decides which fields of the context there are. See that SEC(...) and the type of "
            "the argument belong together, and do not do arithmetic on ctx before the access. clang makes such "
            "arithmetic of memcpy: in a tracing program hand the address to bpf_probe_read_kernel, or read the fields "
            "with BPF_CORE_READ.",
        ),
    ),
    Reason(
        "kernel-memory",
        r"R\d+ invalid mem access '(?:mem|ptr_|trusted_ptr_|untrusted_ptr_|rcu_ptr_)\w*'|only read is supported"
        r"|write into map forbidden|cannot write into|R\d+ cannot write|access beyond struct|access beyond the end of",
        Text(
            "以不允许的方式访问了内核内存或只读内存",
            "kernel memory or read-only memory is accessed in a way that is not open",
        ),
        Text(
            "内核结构只能读，不能写，而且只能按它的类型读。常量（.rodata）在加载之后也不能写。",
            "Structures of the kernel can be read and not written, and only as what they are. Constants (.rodata) "
            "cannot be written once they are loaded.",
        ),
    ),
    Reason(
        "wrong-argument",
        r"R\d+ type=\S+ expected=|arg#?\d+ .*expected|expected pointer to|pointer type .* must point to",
        Text("传给辅助函数的参数类型不对", "a helper is given an argument of the wrong type"),
        Text(
            "日志里的 type= 是你传的，expected= 是它要的。键和值要传地址（&key），地址要指向栈、map 值或 ring buffer。",
            "In the log type= is what you passed and expected= what it wants. Keys and values are passed by address "
            "(&key), and the address must be of the stack, a map's value or the ring buffer.",
        ),
    ),
)  # fmt: skip

_PATTERNS = tuple((re.compile(reason.pattern), reason) for reason in REASONS)


def reason_for(line: str) -> Reason | None:
    """The first whose words are in the line."""
    return next((reason for pattern, reason in _PATTERNS if pattern.search(line)), None)
