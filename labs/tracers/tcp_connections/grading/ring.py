"""Between kernel and Go: bursts, a ring that is too small, and what is remembered of a connection."""

from __future__ import annotations

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.guest import BpfMap
from labs.tracers.tcp_connections.grading import plans
from labs.tracers.tcp_connections.grading.ledger import (
    CLOSED,
    CONN,
    EPHEMERAL,
    Counts,
    counts_of,
    destination,
    expected,
    lost_of,
)
from labs.tracers.tcp_connections.grading.world import METRICS, World, graded, grown

BURST = 1000
DEFAULT_RING, SMALL_RING = 1 << 20, 4096
FLOOD = 300
COUNTED_WITHIN = 10.0
# counts that one scrape's own connection makes, which may meet a ring that is still full
COUNTS_OF_A_SCRAPE = 5
# what may stand in the maps while the scrapes come and go
FEW = 16
_HASHES = ("Hash", "LRUHash", "PerCPUHash", "LRUCPUHash")


def ring_of(world: World) -> BpfMap | None:
    rings = [one for one in world.lab.objects().maps if one.type == "RingBuf"]
    return rings[0] if len(rings) == 1 else None


@graded("burst")
def burst(world: World) -> None:
    lab = world.lab
    ring = ring_of(world)
    if ring is None or ring.max_entries != DEFAULT_RING:
        _wrong_ring(world, ring, DEFAULT_RING)
    plan = plans.burst(world.draft(), BURST)
    lab.step(f"突发 {BURST} 个连接", f"a burst of {BURST} connections")
    before = lost_of(world.page()) or 0
    result = world.measured(plan)
    lost = (lost_of(world.page()) or 0) - before
    if lost:
        raise Failed(
            tried=Text(f"突发 {BURST} 个连接", f"made a burst of {BURST} connections"),
            saw=Text(f"tcp_tracer_lost_total 增加了 {lost}", f"tcp_tracer_lost_total grew by {lost}"),
            expected=Text(f"{DEFAULT_RING} 字节的 ring 足够", f"a ring of {DEFAULT_RING} bytes is enough"),
            hint=Text(
                "记录太大，或者读得太慢：每个事件一行日志、一次 fmt.Sprintf，都会让读取落后。",
                "Records are too large, or the reader is too slow: a line of log or a Sprintf for each event holds "
                "it up.",
            ),
            command=f"curl -s {METRICS} | grep lost",
        )
    world.judge(
        result,
        tried=Text(f"突发 {BURST} 个连接", f"made a burst of {BURST} connections"),
        expected=Text("每一个都被计数，一个不丢", "each is counted, none is lost"),
    )


def _wrong_ring(world: World, ring: BpfMap | None, size: int) -> None:
    maps = "\n".join(f"{m.name}: {m.type}, max_entries {m.max_entries}" for m in world.lab.objects().maps)
    raise Failed(
        tried=Text("列出程序的 map", "listed the program's maps"),
        saw=Text(maps or "没有 map", maps or "no map"),
        expected=Text(
            f"恰好一个 RingBuf，max_entries 是 {size}", f"exactly one RingBuf, with max_entries {size}"
        ),
        hint=Text(
            "加载之前设置 spec.Maps[…].MaxEntries = RING_BYTES；没有这个变量时是 1048576。",
            "Set spec.Maps[…].MaxEntries to RING_BYTES before loading; without the variable it is 1048576.",
        ),
        command="bpftool map",
    )


@graded("forgets")
def forgets(world: World) -> None:
    lab = world.lab
    lab.step("数一数 hash map 里的条目", "count the entries of the hash maps", "bpftool map dump")

    def entries() -> dict[str, int]:
        hashes = [one for one in lab.objects().maps if one.type in _HASHES]
        return {one.name or str(one.id): one.entries or 0 for one in hashes}

    lab.eventually(
        entries,
        want=lambda seen: all(count <= FEW for count in seen.values()),
        tried=Text(
            f"{BURST} 多个连接结束之后，数 hash map 的条目",
            f"counted the entries of the hash maps after {BURST} connections and more have ended",
        ),
        expected=Text("没有为已经结束的连接留下条目", "there is no entry of a connection that has ended"),
        hint=lambda seen: Text(
            f"还有 {seen}。每个到 CLOSE 的 socket 都要从 map 里删除，没有连上的和被重置的也一样；"
            "否则 map 满了就再也记不下新的。",
            f"There still are {seen}. Each socket that comes to CLOSE has to leave the map, also one that never was "
            "connected or was reset; else the map fills up and takes no new one.",
        ),
        timeout=5.0,
        command="bpftool map dump",
    )


@graded("lost")
def lost(world: World) -> None:
    lab = world.lab
    ring = ring_of(world)
    if ring is None or ring.max_entries != SMALL_RING:
        _wrong_ring(world, ring, SMALL_RING)
    plan = plans.flood(world.draft(), FLOOD)
    target = plan.connections[0].destination
    world.rest()
    before = world.page()
    counted, gone, scrapes = counts_of(before), lost_of(before) or 0, world.scrapes
    lab.step(
        f"ring 只有 {SMALL_RING} 字节；让你的进程停住，制造 {2 * FLOOD} 次计数，再让它继续",
        f"the ring has {SMALL_RING} bytes only: stop your process, make {2 * FLOOD} counts, let it go on",
        "kill -STOP PID; …; kill -CONT PID",
    )
    world.freeze(True)
    try:
        lab.traffic(plan)
    finally:
        world.freeze(False)
    wanted = expected(plan.connections)

    def look() -> tuple[int, int]:
        page = world.page()
        seen = grown(counted, counts_of(page))
        return _of_flood(seen, target), (lost_of(page) or 0) - gone

    def true(seen: tuple[int, int]) -> bool:
        missing = wanted.total() - seen[0]
        own = COUNTS_OF_A_SCRAPE * (world.scrapes - scrapes)
        return seen[1] > 0 and missing <= seen[1] <= missing + own

    lab.eventually(
        look,
        want=true,
        tried=Text(
            f"你的进程停住时发生了 {2 * FLOOD} 次该计的事，ring 有 {SMALL_RING} 字节",
            f"{2 * FLOOD} things to count happened while your process stood still, with a ring of {SMALL_RING} bytes",
        ),
        expected=Text(
            "计到的加上丢失的，等于发生的", "what was counted and what was lost make up what happened"
        ),
        hint=lambda seen: Text(
            f"计到 {seen[0]}，丢失 {seen[1]}，合起来 {sum(seen)}，而不是 {wanted.total()}。"
            "每次 bpf_ringbuf_reserve 得到 NULL 就恰好加一；一条记录就是一次计数。",
            f"Counted {seen[0]} and lost {seen[1]} make {sum(seen)}, not {wanted.total()}. Add one each time that "
            "bpf_ringbuf_reserve gives NULL, and let one record be one count.",
        ),
        timeout=COUNTED_WITHIN,
        command=f"curl -s {METRICS} | grep lost",
    )


def _of_flood(seen: Counts, target: tuple[str, int]) -> int:
    return seen[CONN, "syn_sent", destination(*target)] + seen[CLOSED, "refused", EPHEMERAL]
