"""The benchmark goes on where it was stopped, question by question."""

from __future__ import annotations

import json

import pytest

from experiments.bench import __main__ as command
from experiments.bench import measure, report
from experiments.bench.setting import questions
from experiments.kit import rows


class Job:
    name, some = "intents", range(8)


ANSWERS = {
    "speed": {"examples_per_second": [4.0, 2.0]},
    "peak": {"fit": 1e9, "matrix_product": 2e9},
    "frozen": {"seconds": [1.0]},
    "growth": {"milliseconds": 1.0},
    "quality": {"estimate": 0.5, "low": 0.4, "high": 0.6},
}


def test_a_stopped_benchmark_goes_on_with_the_next_question(tmp_path, monkeypatch, capsys):
    path, asked, stop = tmp_path / "bench.json", [], ["growth"]

    def answering(question):
        def answer(job, settings, **_):
            if question in stop:
                raise KeyboardInterrupt
            asked.append(question)
            return [ANSWERS[question]] * len(settings)

        return answer

    monkeypatch.setattr(measure, "job", lambda examples: Job)
    for question in ANSWERS:
        monkeypatch.setattr(measure, question, answering(question))
    with pytest.raises(KeyboardInterrupt):
        command.main(["--output", str(path)])
    assert asked == ["speed", "peak", "frozen"]
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert len(kept) == 5 + 1 + 4
    stop.clear()
    command.main(["--output", str(path)])
    assert asked == ["speed", "peak", "frozen", "growth", "quality"]
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found[: len(kept)] == kept and len(found) == 24
    assert "share of the peak" in capsys.readouterr().out
    command.main(["--output", str(path), "--rounds", "4"])  # another setting
    assert len(asked) == 10


def test_the_stored_rows_are_those_of_the_usual_command():
    stored = rows.read(command.ROWS)
    wanted = questions("nyu-mll/glue:mrpc", 640, 3, 3)
    assert len(stored) == sum(map(len, wanted.values())) == 24
    for question, settings in wanted.items():
        assert sorted(map(str, rows.known(command.ROWS, settings))) == sorted(map(str, report.of(stored, question)))
