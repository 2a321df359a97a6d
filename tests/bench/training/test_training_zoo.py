"""The zoo: content addresses, digests, and what happens to damaged files."""

import json
import multiprocessing
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from coinfer.errors import ArtifactError
from coinfer.models import canonical_sha256
from coinfer.training import Artifact, Zoo
from coinfer.training.zoo import user_zoo

INPUTS = {"what": "test", "seed": 1, "list": [1, 2.5, None]}


@pytest.fixture
def zoo(tmp_path: Path) -> Zoo:
    return Zoo(tmp_path / "user", tmp_path / "shipped")


def tensors() -> dict[str, torch.Tensor]:
    return {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.ones(2).half()}


def test_round_trip(zoo: Zoo) -> None:
    assert zoo.get(canonical_sha256(INPUTS)) is None
    made = zoo.put(INPUTS, tensors(), {"accuracy": 0.5})
    found = zoo.get(canonical_sha256(INPUTS))
    assert found == made
    assert found.record == {"accuracy": 0.5}
    assert found.inputs == INPUTS
    for stored in (found.tensors(), zoo.weights(found.weights_sha256)):
        assert set(stored) == {"a", "b"}
        torch.testing.assert_close(stored["a"], tensors()["a"])
        assert stored["b"].dtype == torch.float16
    assert [artifact.address for artifact in zoo.ls()] == [made.address]
    assert not list(zoo.root.glob("*.part"))


def test_the_address_depends_on_the_inputs_alone(zoo: Zoo) -> None:
    made = zoo.put(INPUTS, tensors(), {})
    assert zoo.put(dict(reversed(INPUTS.items())), {}, {"other": 1}) == made
    assert zoo.put(INPUTS | {"seed": 2}, tensors(), {}).address != made.address


def test_the_users_artifact_comes_before_the_shipped_one(zoo: Zoo) -> None:
    shipped = Zoo(zoo.shipped, zoo.root).put(INPUTS, tensors(), {"from": "shipped"})
    assert zoo.get(shipped.address) == shipped
    assert set(zoo.weights(shipped.weights_sha256)) == {"a", "b"}
    own = Zoo(zoo.root, zoo.root).put(INPUTS, tensors(), {"from": "user"})
    found = zoo.get(own.address)
    assert found is not None
    assert found.record == {"from": "user"}


def test_changed_weights_are_refused_and_stored_again(zoo: Zoo) -> None:
    made = zoo.put(INPUTS, tensors(), {})
    made.path.write_bytes(made.path.read_bytes()[:-1] + b"\x01")
    for read in (made.tensors, lambda: zoo.weights(made.weights_sha256)):
        with pytest.raises(ArtifactError, match=r"has digest .* not"):
            read()
    again = zoo.put(INPUTS, tensors(), {})
    assert set(again.tensors()) == {"a", "b"}
    again.path.unlink()
    with pytest.raises(ArtifactError, match="is missing"):
        again.tensors()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:40],
        lambda text: text.replace('"seed": 1', '"seed": 9'),
        lambda text: text.replace('"schema": 1', '"schema": 99'),
        lambda text: json.dumps({"address": "x"}),
    ],
)
def test_a_damaged_description_is_refused(zoo: Zoo, damage) -> None:  # type: ignore[no-untyped-def]
    made = zoo.put(INPUTS, tensors(), {})
    path = made.path.with_suffix(".json")
    path.write_text(damage(path.read_text()))
    with pytest.raises(ArtifactError, match="coinfer zoo gc"):
        zoo.get(made.address)


def test_gc_removes_what_is_damaged_and_what_is_not_kept(zoo: Zoo) -> None:
    good, bad, other = (zoo.put(INPUTS | {"seed": n}, tensors(), {}) for n in range(3))
    bad.path.write_bytes(b"")
    (zoo.root / "orphan.safetensors").write_bytes(b"")
    (zoo.root / "half.part").write_bytes(b"")
    removed = {path.stem for path in zoo.gc()}
    assert removed == {bad.address, "orphan", "half"}
    assert {a.address for a in zoo.ls()} == {good.address, other.address}
    zoo.gc(keep=[good.address])
    assert [a.address for a in zoo.ls()] == [good.address]
    assert Zoo(zoo.root / "nowhere", zoo.shipped).gc() == []


def test_an_artifact_that_is_sent_arrives_as_it_was_or_not_at_all(zoo: Zoo, tmp_path: Path) -> None:
    made = zoo.put(INPUTS, tensors(), {"accuracy": 0.5})
    there = Zoo(tmp_path / "there", tmp_path / "nothing")
    packed = zoo.pack(made.address)
    for damaged in (
        replace(packed, content=packed.content[:-1] + b"?"),
        replace(packed, description=packed.description[:-9]),
    ):
        with pytest.raises(ArtifactError):
            there.unpack(made.address, damaged)
    with pytest.raises(ArtifactError):
        there.unpack("0" * 64, packed)
    assert there.get(made.address) is None
    assert there.unpack(made.address, packed).record == made.record
    assert there.pack(made.address) == packed


def test_export_copies_an_artifact_to_another_zoo(zoo: Zoo) -> None:
    made = zoo.put(INPUTS, tensors(), {})
    zoo.export(made.address, zoo.shipped)
    copied = Zoo(zoo.root / "nowhere", zoo.shipped).get(made.address)
    assert copied is not None
    assert copied.weights_sha256 == made.weights_sha256
    assert set(copied.tensors()) == {"a", "b"}
    with pytest.raises(ArtifactError, match="no artifact"):
        zoo.export("0" * 64, zoo.shipped)


def test_a_value_is_computed_once(zoo: Zoo) -> None:
    calls = []

    def compute() -> list[int]:
        calls.append(1)
        return [3, 4]

    assert zoo.remember(INPUTS, compute) == zoo.remember(INPUTS, compute) == [3, 4]
    assert len(calls) == 1


def test_unknown_weights_say_where_they_were_looked_for(zoo: Zoo) -> None:
    with pytest.raises(ArtifactError, match=r"no weights abc in .*user or .*shipped"):
        zoo.weights("abc")


def test_the_environment_names_the_users_zoo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COINFER_ZOO", str(tmp_path))
    assert user_zoo() == tmp_path
    monkeypatch.delenv("COINFER_ZOO")
    assert user_zoo().name == "zoo"


def test_a_board_needs_no_more_than_its_extra_to_load_weights(zoo: Zoo) -> None:
    made = zoo.put(INPUTS, tensors(), {})
    code = f"""
import sys
import time
from pathlib import Path
for name in ("scipy", "sklearn", "networkx", "platformdirs", "pyarrow", "plotly", "typer"):
    sys.modules[name] = None
from coinfer.training import Artifact, Zoo
print(sorted(Zoo(Path({str(zoo.root)!r})).weights({made.weights_sha256!r})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['a', 'b']", done.stderr


def make_slowly(root: str, log: str) -> None:
    zoo = Zoo(Path(root), Path(root))

    def make() -> Artifact:
        with Path(log).open("a") as file:
            file.write("made\n")
        time.sleep(0.3)
        return zoo.put(INPUTS, tensors(), {})

    zoo.find_or_make(INPUTS, make)


def test_processes_that_need_the_same_model_make_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    log = tmp_path / "log"
    zoo = tmp_path / "zoo"
    workers = [context.Process(target=make_slowly, args=(str(zoo), str(log))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert log.read_text() == "made\n"
    assert not list((zoo / "unfinished").iterdir())


def test_what_cannot_be_made_leaves_no_lock(zoo: Zoo) -> None:
    def fail() -> Artifact:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zoo.find_or_make(INPUTS, fail)
    assert not list((zoo.root / "unfinished").iterdir())
    made = zoo.find_or_make(INPUTS, lambda: zoo.put(INPUTS, tensors(), {}))
    assert zoo.find_or_make(INPUTS, fail) == made
