"""How objects are compared and shown."""

from __future__ import annotations

from labs.harness.diff import differs, show, show_difference

SEEN = {
    "metadata": {"name": "main", "managedFields": [{"manager": "x"}]},
    "spec": {"replicas": 2, "ports": [{"port": 5432, "name": "db"}]},
}


def test_it_works() -> None:
    assert differs(SEEN, {"spec": {"replicas": 2}}) == []
    assert differs(SEEN, {"spec": {"replicas": 3}}) == ["spec", "replicas"]


def test_none_means_absent() -> None:
    assert differs(SEEN, {"status": None}) == []
    assert differs(SEEN, {"spec": None}) == ["spec"]


def test_lists_match_item_by_item() -> None:
    assert differs(SEEN, {"spec": {"ports": [{"port": 5432}]}}) == []
    assert differs(SEEN, {"spec": {"ports": []}}) == ["spec", "ports"]
    assert differs(SEEN, {"spec": {"ports": [{"port": 1}]}}) == ["spec", "ports", "0", "port"]


def test_true_is_not_one() -> None:
    assert differs({"a": 1}, {"a": True}) == ["a"]


def test_nothing_at_all_differs() -> None:
    assert differs(None, {"a": 1}) == ["."]


def test_a_caret_points_at_the_first_difference() -> None:
    shown = show_difference(SEEN, {"spec": {"replicas": 3, "ports": [{"port": 5432}]}})
    assert shown.split("\n")[:3] == ["spec:", "  replicas: 2", "  ^^^^^^^^^^^ want: 3"]


def test_it_shows_like_yaml_without_managed_fields() -> None:
    text = "metadata:\n  name: main\nspec:\n  replicas: 2\n  ports:\n    -\n      port: 5432\n      name: db"
    assert show(SEEN) == text


def test_a_long_object_is_cut() -> None:
    assert show({str(n): n for n in range(100)}).endswith("\n…")
