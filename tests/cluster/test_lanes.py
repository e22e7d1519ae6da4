"""Which of the parts that wait are submitted: no host has too many, and none waits behind another host or project."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gros_agent.cluster.lanes import Lanes


@dataclass(eq=False)
class One:
    name: str
    host: str | None = None
    project: Hashable = "A"
    account: str = ""

    @property
    def lane(self) -> Hashable:
        return self.host, self.account


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def names(lanes: Lanes[One]) -> list[str]:
    found = []
    while (one := lanes.take()) is not None:
        found.append(one.name)
    return found


def test_a_full_host_lets_others_pass() -> None:
    lanes = Lanes[One](per_host=2)
    waiting = [*(One(f"a{number}", "a") for number in range(4)), One("b", "b"), One("c"), One("d")]
    for one in waiting:
        lanes.add(one)
    assert names(lanes) == ["a0", "b", "c", "a1", "d"]
    lanes.end(waiting[0])
    assert names(lanes) == ["a2"]
    lanes.end(waiting[1])
    lanes.add(waiting[1], first=True)
    assert names(lanes) == ["a1"]


def test_projects_take_turns() -> None:
    """A large project that came first does not keep a small one waiting."""
    lanes = Lanes[One](per_host=100)
    for number in range(5):
        lanes.add(One(f"large{number}", "a", "LARGE"))
    lanes.add(One("small0", "a", "SMALL"))
    assert names(lanes) == ["large0", "small0", "large1", "large2", "large3", "large4"]


def test_a_paused_account_is_left_alone() -> None:
    """Another account at the same host goes on. A shorter pause does not end a longer one."""
    clock = Clock()
    lanes = Lanes[One](per_host=9, clock=clock)
    for account in ("x", "y"):
        lanes.add(One(account, "a", account=account))
    lanes.pause(("a", "x"), 30)
    lanes.pause(("a", "x"), 10)
    assert names(lanes) == ["y"]
    clock.now += 29
    assert names(lanes) == []
    clock.now += 2
    assert names(lanes) == ["x"]


def test_a_project_that_ends() -> None:
    lanes = Lanes[One](per_host=1)
    lanes.add(One("gone", "a", "A"))
    lanes.add(One("stays", "a", "B"))
    lanes.drop("A")
    assert names(lanes) == ["stays"]


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from("ABC")), max_size=40),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_each_is_taken_once(waiting: list[tuple[str | None, str]], per_host: int, random: object) -> None:
    lanes = Lanes[One](per_host)
    for number, (host, project) in enumerate(waiting):
        lanes.add(One(str(number), host, project))
    taken: list[One] = []
    under_way: list[One] = []
    while True:
        one = lanes.take()
        if one is not None:
            taken.append(one)
            under_way.append(one)
            assert all(count <= per_host for host, count in Counter(one.host for one in under_way).items() if host)
        elif under_way:
            lanes.end(under_way.pop(random.randrange(len(under_way))))  # type: ignore[attr-defined]
        else:
            break
    assert sorted(int(one.name) for one in taken) == list(range(len(waiting)))
