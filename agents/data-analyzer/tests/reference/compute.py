"""Computes the figures that the data-analyzer is held against.

Run once, with pandas 3.1.1 and numpy 2.4.6 (Python 3.11):

    python3 -m venv venv && venv/bin/pip install pandas==3.1.1 numpy==2.4.6
    venv/bin/python compute.py

It writes `penguins.json` and `seattle-weather.json` beside itself. The data
analyzer shares no code with it: that is what makes the comparison worth making.
"""

import json
import pathlib

import numpy as np
import pandas as pd

HERE = pathlib.Path(__file__).parent
DATA = HERE.parent.parent / "data"
QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]


def numbers(series: pd.Series) -> dict:
    values = series.dropna().to_numpy(dtype=float)
    low, high = np.quantile(values, [0.25, 0.75], method="linear")
    lower, upper = low - 1.5 * (high - low), high + 1.5 * (high - low)
    return {
        "count": int(values.size),
        "missing": int(series.isna().sum()),
        "distinct": int(np.unique(values).size),
        "min": float(values.min()),
        "max": float(values.max()),
        "mean": float(values.mean()),
        "std": float(values.std(ddof=1)),
        "quantiles": {str(q): float(np.quantile(values, q, method="linear")) for q in QUANTILES},
        "iqr": {
            "lower": float(lower),
            "upper": float(upper),
            "below": int((values < lower).sum()),
            "above": int((values > upper).sum()),
        },
    }


def texts(series: pd.Series) -> dict:
    present = series.dropna()
    return {
        "count": int(present.size),
        "missing": int(series.isna().sum()),
        "distinct": int(present.nunique()),
        "top": {str(k): int(v) for k, v in present.value_counts().head(10).items()},
    }


def groups(frame: pd.DataFrame, by: str, columns: list) -> dict:
    found = {}
    for key, part in frame.groupby(by):
        found[str(key)] = {
            "rows": int(len(part)),
            "numbers": {
                name: {
                    "count": int(part[name].count()),
                    "mean": float(part[name].mean()),
                    "std": float(part[name].std(ddof=1)),
                }
                for name in columns
            },
        }
    return {"by": by, "groups": found}


def reference(frame: pd.DataFrame, by: str, tallied: list) -> dict:
    numeric = [name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
    matrix = frame[numeric].corr(method="pearson")
    pairs = [(x, y) for at, y in enumerate(numeric) for x in numeric[:at]]
    return {
        "made_with": {"pandas": pd.__version__, "numpy": np.__version__},
        "rows": int(len(frame)),
        "numbers": {name: numbers(frame[name]) for name in numeric},
        "texts": {name: texts(frame[name]) for name in tallied},
        "correlations": [{"x": x, "y": y, "r": float(matrix.loc[x, y])} for x, y in pairs],
        "group_by": groups(frame, by, numeric),
    }


def write(name: str, figures: dict) -> None:
    text = json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False)
    (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")


write(
    "penguins",
    reference(
        pd.DataFrame(json.loads((DATA / "penguins.json").read_text())),
        "Species",
        ["Species", "Island", "Sex"],
    ),
)
write(
    "seattle-weather",
    reference(pd.read_csv(DATA / "seattle-weather.csv"), "weather", ["weather"]),
)
