"""Files that other tools write: marl-eval, Weights & Biases, Stable-Baselines3, one folder a run."""

import json

import numpy as np
import pytest
from fvm_eval.reading import Request, read
from fvm_eval.reading.layouts.run_paths import cleanrl_run
from fvm_eval.table import TableError


def rows(reading):
    return reading.episodes.select("method", "seed", "task", "env_step", "score").rows()


@pytest.fixture
def marl(tmp_path):
    def run(first):
        return {
            "step_0": {"step_count": 0, "return": [first, 1.0], "elapsed_time": 3},
            "step_1": {"step_count": 500, "return": [2.0, 3.0]},
            "absolute_metrics": {"return": [99.0]},
        }

    content = {"smax": {"3m": {"qmix": {"seed_3": run(0.0), "seed_4": run(0.5)}}}}
    path = tmp_path / "marl.json"
    path.write_text(json.dumps(content))
    return path, content


def test_marl_eval(marl):
    reading = read(marl[0])
    assert rows(reading)[:4] == [
        ("qmix", 3, "smax/3m", 0, 0.0),
        ("qmix", 3, "smax/3m", 0, 1.0),
        ("qmix", 3, "smax/3m", 500, 2.0),
        ("qmix", 3, "smax/3m", 500, 3.0),
    ]
    assert 99.0 not in reading.episodes["score"]
    assert "its absolute metrics left out" in reading.said[1]


def test_marl_eval_says_which_other_metrics_there_are(marl):
    path, content = marl
    content["smax"]["3m"]["qmix"]["seed_3"]["step_0"]["win_rate"] = [0.5]
    path.write_text(json.dumps(content))
    said = "score from its metric 'return' (it has win_rate too: --map score=win_rate)"
    assert said in read(path).said[0]


def test_marl_eval_with_several_metrics(marl):
    path, content = marl
    for run in content["smax"]["3m"]["qmix"].values():
        for step in ("step_0", "step_1"):
            run[step] = {"step_count": run[step]["step_count"], "kills": 5, "deaths": 1}
    path.write_text(json.dumps(content))
    with pytest.raises(
        TableError, match="has the metrics kills, deaths: say which is the score by --map score=METRIC"
    ):
        read(path)
    assert set(read(path, Request(columns={"score": "kills"})).episodes["score"]) == {5.0}
    with pytest.raises(TableError, match="no such metric"):
        read(path, Request(columns={"score": "wins"}))


def test_weights_and_biases_export(tmp_path):
    path = tmp_path / "wandb.csv"
    one, two = (
        "Pong-v5__ppo__1__1690 - charts/episodic_return",
        "Pong-v5__ppo__2__1691 - charts/episodic_return",
    )
    path.write_text(f'"Step","{one}","{one}__MIN","{one}__MAX","{two}"\n10,1.5,1,2,\n20,2.5,2,3,3.5\n')
    assert rows(read(path)) == [
        ("ppo", 1, "Pong-v5", 10, 1.5),
        ("ppo", 1, "Pong-v5", 20, 2.5),
        ("ppo", 2, "Pong-v5", 20, 3.5),
    ]
    path.write_text('"Step","ppo-1 - return","ppo-1 - length"\n10,1,2\n')
    with pytest.raises(TableError, match="has the metrics return, length"):
        read(path, Request(constants={"task": "Pong"}))
    assert rows(read(path, Request(columns={"score": "length"}, constants={"task": "Pong"}))) == [
        ("ppo", 1, "Pong", 10, 2.0)
    ]
    path.write_text('"Step","exp_name: ppo - return"\n10,1\n')
    with pytest.raises(TableError, match="does not say its seed; export single runs, not groups"):
        read(path, Request(constants={"task": "Pong"}))


def test_a_history_logs_other_things_in_most_rows(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text(
        "_step,_runtime,global_step,charts/episodic_return,env_id,exp_name,seed\n1,1,100,,Pong,ppo,1\n2,2,128,4.5,Pong,ppo,1\n"
    )
    assert rows(read(path)) == [("ppo", 1, "Pong", 128, 4.5)]


def monitor(env, episodes):
    return f'#{{"t_start": 1.0, "env_id": "{env}"}}\nr,l,t\n' + "".join(
        f"{r},{length},{t}\n" for r, length, t in episodes
    )


def test_monitors_of_one_run_share_its_steps(tmp_path):
    for seed in (1, 2):
        folder = tmp_path / "logs" / "ppo" / f"CartPole-v1_{seed}"
        folder.mkdir(parents=True)
        (folder / "0.monitor.csv").write_text(monitor("CartPole-v1", [(10, 10, 1.0), (20, 20, 3.0)]))
        (folder / "1.monitor.csv").write_text(monitor("CartPole-v1", [(30, 30, 2.0)]))
    reading = read(tmp_path / "logs")
    # Episodes end at 1, 2 and 3 s, after 10, 10 + 30 and 10 + 30 + 20 steps.
    assert sorted(rows(reading)[:3], key=lambda row: row[3]) == [
        ("ppo", 1, "CartPole-v1", 10, 10.0),
        ("ppo", 1, "CartPole-v1", 40, 30.0),
        ("ppo", 1, "CartPole-v1", 60, 20.0),
    ]
    assert reading.online


def test_progress_prefers_evaluations(tmp_path):
    for seed in (0, 1):
        folder = tmp_path / "td3" / "Ant-v4" / f"seed{seed}"
        folder.mkdir(parents=True)
        (folder / "progress.csv").write_text(
            "time/total_timesteps,rollout/ep_rew_mean,eval/mean_reward\n10,1,\n20,2,7\n"
        )
    assert rows(read(tmp_path)) == [("td3", 0, "Ant-v4", 20, 7.0), ("td3", 1, "Ant-v4", 20, 7.0)]
    alone = tmp_path / "progress.csv"
    alone.write_text("time/total_timesteps,rollout/ep_rew_mean\n10,1\n")
    request = Request(constants={"method": "td3", "seed": "4", "task": "Ant"})
    reading = read(alone, request)
    assert rows(reading) == [("td3", 4, "Ant", 10, 1.0)]
    assert reading.online


def test_evaluations_and_runs_without_names(tmp_path):
    for name in ("sac_1", "sac_2"):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "evaluations.npz", timesteps=[5, 9], results=[[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(TableError, match=r"does not say its task: arrange logs as METHOD/TASK/SEED"):
        read(tmp_path)
    reading = read(tmp_path, Request(constants={"task": "Ant"}))
    assert rows(reading)[:2] == [("sac", 1, "Ant", 5, 1.0), ("sac", 1, "Ant", 5, 2.0)]
    assert len(reading.episodes) == 8


def test_a_file_a_method(tmp_path):
    for name in ("ppo.csv", "dqn.csv"):
        (tmp_path / name).write_text("seed,task,score\n0,t,1\n1,t,2\n")
    both = read([tmp_path / "ppo.csv", tmp_path / "dqn.csv"])
    assert both.episodes["method"].unique().sort().to_list() == ["dqn", "ppo"]
    assert (
        read(tmp_path).episodes.equals(both.episodes.sort(both.episodes.columns))
        or len(read(tmp_path).episodes) == 4
    )


def test_json_that_is_no_table(tmp_path):
    path = tmp_path / "x.json"
    for content in ("[1, 2]", '{"a": 1, "b": {"c": 2}}', "[" * 100_000, '{"a": '):
        path.write_text(content)
        with pytest.raises(TableError):
            read(path)


@pytest.mark.parametrize("name", ["Pong-v5__ppo_atari__1__1665", "ppo_atari__Pong-v5__1__1665"])
def test_a_runs_name_says_its_env_on_either_side(name):
    run = cleanrl_run(name)
    assert (run.method, run.task, run.seed) == ("ppo_atari", "Pong-v5", "1")


@pytest.mark.parametrize("name", ["lr: 0.001", "seed: 3", "ppo-lr0.001", "ppo-lr3e-4", "ppo-CartPole-v1"])
def test_a_setting_or_a_version_at_a_names_end_is_no_seed(tmp_path, name):
    (tmp_path / "w.csv").write_text(f'"Step","{name} - return"\n10,1\n')
    with pytest.raises(TableError, match="does not say its seed; export single runs, not groups"):
        read(tmp_path / "w.csv", Request(constants={"task": "Pong"}))


def test_runs_of_one_name_or_one_seed_and_times_in_place_of_steps(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text('"Step","ppo-1 - return","ppo-1 - return"\n10,1,2\n')
    with pytest.raises(
        TableError, match=r"several columns 'ppo-1 - return': give each run a name of its own"
    ):
        read(path, Request(constants={"task": "Pong"}))
    path.write_text('"Step","Pong-v5__ppo__1__16 - return","Pong-v5__ppo__1__17 - return"\n10,1,2\n')
    said = "runs 'Pong-v5__ppo__1__16' and 'Pong-v5__ppo__1__17' have one method, task and seed"
    assert said in " ".join(read(path).said)
    path.write_text('"Relative Time (Process)","ppo-1 - return"\n10,1\n')
    with pytest.raises(TableError, match="choose Step or global_step as the chart's x axis"):
        read(path)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1,2.5,3", "column l, row 3 .line 5 of the file.: '2.5' is not a length"),
        ("1,nan,3", "'nan' is not a length"),
        ("1,1e30,3", "'1e30' is not a length"),
        ("1,-5,3", "'-5' is not a length"),
        ("1,2,soon", "column t, row 3 .line 5 of the file.: 'soon' is not a time"),
        ("3,2", "column t, row 3 .line 5 of the file.: is empty; was it cut short"),
        ("3", "column l, row 3 .line 5 of the file.: is empty; was it cut short"),
    ],
)
def test_a_monitor_that_is_cut_short_or_has_no_lengths(tmp_path, row, why):
    for seed, more in ((1, ""), (2, f"{row}\n")):
        folder = tmp_path / "ppo" / f"CartPole-v1_{seed}"
        folder.mkdir(parents=True)
        (folder / "0.monitor.csv").write_text(monitor("CartPole-v1", [(9, 10, 1.0), (8, 10, 2.0)]) + more)
    with pytest.raises(TableError, match=f"ppo/CartPole-v1_2/0.monitor.csv, {'.*' * (why[0] != 'c')}{why}"):
        read(tmp_path)


def test_a_monitors_first_line_may_be_anything(tmp_path):
    path = tmp_path / "0.monitor.csv"
    path.write_text('#{"a":' + "[" * 100_000 + "\nr,l,t\n1,2,3\n")
    reading = read(path, Request(constants={"method": "ppo", "seed": "1", "task": "t"}))
    assert rows(reading) == [("ppo", 1, "t", 2, 1.0)]


def test_evaluations_that_are_damaged_or_no_numbers(tmp_path):
    path = tmp_path / "evaluations.npz"
    rng = np.random.default_rng(0)
    np.savez_compressed(path, timesteps=np.arange(99), results=rng.random((99, 5)))
    whole = bytearray(path.read_bytes())
    whole[400] ^= 255
    path.write_bytes(whole)
    with pytest.raises(TableError, match=r"is no evaluations\.npz"):
        read(path)
    np.savez(path, timesteps=[1], results=[[1j]])
    with pytest.raises(TableError, match=r"is no evaluations\.npz"):
        read(path)


def test_training_logs_of_which_one_has_evaluations_are_not_mixed(tmp_path):
    heads = {"1": "rollout/ep_rew_mean,eval/mean_reward\n10,1,7", "2": "rollout/ep_rew_mean\n10,2"}
    for seed, text in heads.items():
        folder = tmp_path / "td3" / "Ant-v4" / seed
        folder.mkdir(parents=True)
        (folder / "progress.csv").write_text(f"time/total_timesteps,{text}\n")
    with pytest.raises(TableError, match=r"Ant-v4/1/progress.csv has evaluations and .*Ant-v4/2/progress"):
        read(tmp_path)
    found = read(tmp_path, Request(columns={"score": "rollout/ep_rew_mean"}))
    assert rows(found) == [("td3", 1, "Ant-v4", 10, 1.0), ("td3", 2, "Ant-v4", 10, 2.0)]


def test_a_setting_at_a_folders_end_is_no_seed(tmp_path):
    for rate in ("lr0.001", "lr0.003"):
        folder = tmp_path / "ppo" / "Ant-v4" / rate
        folder.mkdir(parents=True)
        np.savez(folder / "evaluations.npz", timesteps=[5], results=[[1.0, 2.0]])
    with pytest.raises(TableError, match="does not say its seed"):
        read(tmp_path)
