"""What the commands do. Progress goes to standard error, results to standard output."""

from __future__ import annotations

import sys
from argparse import Namespace
from contextlib import redirect_stdout
from typing import Any

from convexrelu._utils.score_names import name_of_score
from convexrelu.certification import certify as gap_of
from convexrelu.command_line.model_file import Model, load_model, save_model, skops_io
from convexrelu.command_line.pipelines import absolute_alpha, make_model
from convexrelu.command_line.shared import CommandError, needed
from convexrelu.command_line.tables import (
    columns_of,
    inputs_of,
    read_table,
    target_of,
    task_for,
)

__all__ = ["certify", "export", "fit", "predict", "report"]


def fit(options: Namespace) -> None:
    """Train a model of a table, and write its file."""
    skops_io()  # it is missed before training rather than after
    table = read_table(options.data, options.separator)
    columns = columns_of(table, options.target, options.data)
    for name, reason in columns.left_out.items():
        _note(f"column {name!r} {reason} and is left out")
    task = options.task or task_for(table[options.target])
    texts = [*columns.texts]
    if task == "classification" and table[options.target].dtype.kind not in "fiu":
        texts.append(options.target)
    # TRUE stays TRUE here, as in later tables.
    table = read_table(options.data, options.separator, texts)
    known = table[options.target].notna()
    if not known.all():
        _note(f"{int((~known).sum())} rows without {options.target!r} are left out")
        table = table[known]
    y = target_of(table, options.target, task, options.data)
    if task == "classification" and len(set(y.tolist())) < 2:
        raise CommandError(f"{options.data}: column {options.target!r} has one value only: {y[0]}")
    inputs = inputs_of(table, columns.numbers, columns.texts, options.data)
    _note(f"{task} of {options.target!r} from {inputs.shape[1]} columns, {len(y)} rows")
    pipeline = make_model(
        inputs,
        columns.numbers,
        columns.texts,
        task,
        cv=options.cv,
        alpha=options.alpha,
        time_limit=options.time_limit,
        verbose=0 if options.quiet else 1,
    )
    model = Model(pipeline, task, options.target, columns.numbers, columns.texts)
    try:
        with redirect_stdout(sys.stderr):
            pipeline.fit(inputs, y)
    except KeyboardInterrupt as interruption:
        if not hasattr(pipeline[-1], "network_"):
            raise KeyboardInterrupt("interrupted; there is no model yet") from interruption
        save_model(model, options.output)
        raise KeyboardInterrupt(
            f"interrupted; the best network so far is saved to {options.output}"
        ) from interruption
    save_model(model, options.output)
    _print_fit(model, inputs, y)
    print(f"saved to:    {options.output}")


def _print_fit(model: Model, inputs: Any, y: Any) -> None:
    network = model.pipeline[-1]
    print(f"task:        {model.task} of {model.target!r}")
    print(f"certificate: {network.certificate_}")
    print(f"neurons:     {network.network_.width}")
    print(f"penalty:     {absolute_alpha(network):.4g}")
    if hasattr(network, "cv_scores_"):
        chosen = network.cv_scores_[network.alphas_ == network.alpha_]
        print(f"score:       {chosen.mean():.4f} in the folds")
    score = name_of_score(network) + ":"
    print(f"{score:<12} {model.pipeline.score(inputs, y):.4f} on the training data")


def predict(options: Namespace) -> None:
    """Write a table of predictions, and of probabilities."""
    pandas = needed("pandas")
    model = load_model(options.model)
    inputs = _inputs(model, options)
    predictions = pandas.DataFrame({"prediction": model.pipeline.predict(inputs)})
    if model.task == "classification":
        for label, chances in zip(
            model.pipeline.classes_, model.pipeline.predict_proba(inputs).T, strict=True
        ):
            predictions[f"probability_{label}"] = chances
    predictions.to_csv(options.output or sys.stdout, index=False)


def certify(options: Namespace) -> None:
    """Say how far the model's network is from the optimum on a table."""
    model = load_model(options.model)
    network = model.pipeline[-1]
    inputs, y = _inputs_and_target(model, options)
    loss = network.loss
    if model.task == "classification":
        loss = network.loss_for(network.classes_)
    with redirect_stdout(sys.stderr):
        certificate = gap_of(
            network,
            model.pipeline[:-1].transform(inputs),
            y,
            alpha=absolute_alpha(network),
            loss=loss,
            time_limit=options.time_limit,
            random_state=0,
        )
    print(certificate)


def report(options: Namespace) -> None:
    """Write a report of the model and a table as a page of HTML."""
    from convexrelu.report import write_report

    model = load_model(options.model)
    inputs, y = _inputs_and_target(model, options)
    with redirect_stdout(sys.stderr):
        write_report(model.pipeline, options.output, X=inputs, y=y)
    print(f"saved to: {options.output}")


def export(options: Namespace) -> None:
    """Write the whole pipeline as an ONNX graph."""
    from convexrelu.estimators.onnx_pipelines import to_onnx

    model = load_model(options.model)
    graph = to_onnx(model.pipeline, path=options.output).graph
    names = ", ".join(each.name for each in graph.output)
    print(f"inputs:   {', '.join(each.name for each in graph.input)}")
    print(f"outputs:  {names}")
    print(f"saved to: {options.output}")


def _inputs(model: Model, options: Namespace, table: Any = None) -> Any:
    if table is None:
        table = read_table(options.data, options.separator, model.texts)
    return inputs_of(table, model.numbers, model.texts, options.data)


def _inputs_and_target(model: Model, options: Namespace) -> tuple[Any, Any]:
    target = options.target or model.target
    texts = [*model.texts]
    if model.task == "classification" and model.pipeline.classes_.dtype.kind == "U":
        texts.append(target)
    table = read_table(options.data, options.separator, texts)
    y = target_of(table, target, model.task, options.data)
    if model.task == "classification":
        classes = model.pipeline.classes_
        unknown = sorted(set(y.tolist()) - set(classes.tolist()), key=str)
        if unknown:
            raise CommandError(
                f"{options.data}: column {target!r} has {unknown[0]!r}, which {options.model} does not know"
            )
    return _inputs(model, options, table), y


def _note(text: str) -> None:
    print(f"convexrelu: {text}", file=sys.stderr)
