"""Which column says what: exact names first, then the names other tools use, each said when it is used."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from fvm_eval.table import TableError

REQUIRED = ("method", "seed", "task", "score")
OPTIONAL = ("fold", "checkpoint", "env_step", "episode")
ROLES = (*REQUIRED, *OPTIONAL)
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "method": (
        *("method_name", "algorithm", "algo", "algorithm_name", "agent", "agent_name", "approach"),
        *("exp_name", "model_name"),
    ),
    "seed": ("random_seed", "seed_id", "exp_seed", "rng_seed"),
    "task": ("task_name", "env", "env_id", "env_name", "environment", "game", "level", "scenario"),
    "score": (
        *("episode_reward", "episode_return", "episodic_return", "return", "returns", "reward"),
        *("mean_episode_return", "mean_reward", "ep_rew_mean", "eval_score", "eval_return", "success"),
        *("success_rate", "is_success", "normalized_score", "normalised_score", "charts_episodic_return"),
        *("eval_episodic_return", "eval_mean_reward", "rollout_ep_rew_mean", "performance"),
    ),
    "env_step": (
        *("env_steps", "global_step", "total_timesteps", "time_total_timesteps", "num_timesteps"),
        *("timesteps", "timestep", "total_steps", "step_count", "steps", "step", "num_frames", "frames"),
    ),
    "episode": ("episode_index", "episode_id"),
}
KNOWN = frozenset({*ROLES, *(alias for aliases in _ALIASES.values() for alias in aliases), "step", "r", "l"})
NUMBERS = frozenset(
    name
    for role in ("seed", "fold", "env_step", "episode", "score")
    for name in (role, *_ALIASES.get(role, ()))
)
"""Names, as `plain` writes them, of columns that hold numbers."""
NOTHING = ("", "none")


def plain(name: str) -> str:
    """Returns a name in lower case with single underscores between its words."""
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")


def shown_name(column: str) -> str:
    """Returns a column's name as the file has it: a second one of the same name has a number behind it."""
    return column.split("\x00")[0]


def assign(
    columns: Sequence[str], given: Mapping[str, str], constants: Mapping[str, str], name: str
) -> tuple[dict[str, str], list[str]]:
    """Returns the column of each role that has one, and what was recognised by another name.

    Args:
        columns: Of the file.
        given: The user's own choice, role to column; an empty name or "none" leaves an optional role out.
        constants: Roles that have one value throughout.
        name: Of the file.

    Raises:
        TableError: A role or column that does not exist, two columns of one name, several candidates.
    """
    for role in (*given, *constants):
        if role not in ROLES:
            near = difflib.get_close_matches(role, ROLES, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise TableError(f"there is no column {role!r} to fill; there are {', '.join(ROLES)}{hint}")
    if both := sorted(set(given) & set(constants)):
        raise TableError(f"{both[0]} is given by --map and by --set; give one of them")
    found: dict[str, str] = {}
    said: list[str] = []
    for role in ROLES:
        if role in constants:
            said.append(f"{role} is {constants[role]!r} throughout")
        elif role in given:
            if given[role].lower() in NOTHING:
                if role in REQUIRED:
                    raise TableError(f"{role} is required: --map {role}=COLUMN or --set {role}=VALUE")
                continue
            found[role] = _given(role, given[role], columns, name)
        elif (column := _recognised(role, columns, name)) is not None:
            found[role] = column
            if column != role:
                said.append(f"{role} from column {column!r}")
    if other := next((role for role in found if role != "score" and found[role] == found.get("score")), ""):
        raise TableError(
            f"column {shown_name(found['score'])!r} of {name} cannot be {other} and score at once; say which "
            f"column is the other by --map {other}=COLUMN or --map score=COLUMN"
        )
    return found, said


def missing(found: Mapping[str, str], constants: Mapping[str, str]) -> list[str]:
    """Returns the required roles without a column."""
    return [role for role in REQUIRED if role not in found and role not in constants]


def lacking(absent: Sequence[str], columns: Sequence[str], name: str) -> TableError:
    """Returns the refusal of a table that lacks required columns, with what can be done."""
    have = ", ".join(shown_name(column) or "(no name)" for column in columns[:20])
    have += ", ..." if len(columns) > 20 else ""
    what = f"column{'s' * (len(absent) > 1)} {', '.join(absent)}"
    return TableError(
        f"{name} lacks the {what}: it has {have} and needs {', '.join(REQUIRED)}; name another column by "
        f"--map {absent[0]}=COLUMN, or give one value for all rows by --set {absent[0]}=VALUE"
    )


def _given(role: str, wanted: str, columns: Sequence[str], name: str) -> str:
    same = [column for column in columns if shown_name(column) == wanted.strip()]
    if not same:
        near = difflib.get_close_matches(wanted, columns, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        have = ", ".join(map(shown_name, columns[:20]))
        raise TableError(f"--map {role}={wanted}: {name} has no such column, it has {have}{hint}")
    if len(same) > 1:
        raise _twice(wanted, [columns.index(column) + 1 for column in same], name)
    return same[0]


def _recognised(role: str, columns: Sequence[str], name: str) -> str | None:
    same = [column for column in columns if plain(shown_name(column)) == role]
    if len(same) > 1:
        raise _twice(role, [columns.index(column) + 1 for column in same], name)
    if same:
        return same[0]
    aliases = _ALIASES.get(role, ())
    others = [column for column in columns if plain(shown_name(column)) in aliases]
    if not others:
        return None
    if role == "env_step":  # several counters stand side by side in logs: the surest name wins
        return min(others, key=lambda column: aliases.index(plain(shown_name(column))))
    if len(others) > 1:
        names = ", ".join(map(repr, map(shown_name, others)))
        raise TableError(
            f"{name} has no column {role} but {len(others)} that may be it: {names}; say which by --map "
            f"{role}={shown_name(others[0])}"
        )
    return others[0]


def _twice(column: str, places: Sequence[int], name: str) -> TableError:
    listed = " and ".join(map(str, places))
    return TableError(
        f"{name} has {len(places)} columns {column} (columns {listed}): rename all but the one to be read"
    )
