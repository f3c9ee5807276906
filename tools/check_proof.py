#!/usr/bin/env python3
"""Check a proof of how far a trained network is from the best one, in exact arithmetic.

    python check_proof.py PROOF X Y [WEIGHTS]

PROOF is a file that `save_proof` of convexrelu wrote; X, Y and WEIGHTS are the training data, as `.npy` or as text with
commas. The page "Proofs in files" of the documentation has the format and what is proved. This program shares no code
with the library and needs only Python's standard library. It exits with 0 if it has proved what it prints, else with 1.
"""

import hashlib
import io
import json
import math
import re
import struct
import sys
from fractions import Fraction
from itertools import product
from operator import mul
from pathlib import Path

MAGIC = b"convexrelu proof 1\n"
LEAF, CUT = 252, 254  # first byte of records with slopes of one byte; one more: of two bytes
UNIT = 2**15 - 1  # length of the unit vectors in records
GRID = 2**1200  # terms of the lower bound are multiples of its inverse
# Of each loss: the value by f - y, the margin and the parameter; the domain of the conjugate; whether it has a square.
LOSSES = {
    "squared_error": (lambda r, m, c: r * r / 2, lambda y, c: (-math.inf, math.inf), True),
    "absolute_error": (lambda r, m, c: abs(r), lambda y, c: (-1, 1), False),
    "quantile": (lambda r, m, c: max(-c * r, (1 - c) * r), lambda y, c: (-c, 1 - c), False),
    "huber": (lambda r, m, c: r * r / 2 if abs(r) <= c else c * (abs(r) - c / 2), lambda y, c: (-c, c), True),
    "hinge": (lambda r, m, c: m, lambda y, c: (min(-y, 0), max(-y, 0)), False),
    "squared_hinge": (lambda r, m, c: m * m / 2, lambda y, c: (-math.inf, 0) if y > 0 else (0, math.inf), True),
}


def require(condition, message):
    if not condition:
        raise ValueError(message)


def read_npy(content):
    """Shape of an array, and its entries row by row."""
    start, code = (10, "<H") if content[6] == 1 else (12, "<I")
    end = start + struct.unpack(code, content[8:start])[0]
    header = content[start:end].decode("latin1")
    kind = re.search(r"'descr': '[<|]([fiu][1248])'", header)
    require(kind, "an array is not of little-endian numbers")
    code = "fdbhiqBHIQ"["f4f8i1i2i4i8u1u2u4u8".index(kind[1]) // 2]
    shape = tuple(map(int, re.findall(r"\d+", re.search(r"'shape': \(([^)]*)\)", header)[1])))
    values = struct.unpack(f"<{math.prod(shape)}{code}", content[end:])
    if "'fortran_order': True" in header and len(shape) == 2:
        values = [x for i in range(shape[0]) for x in values[i :: shape[0]]]
    return shape, list(map(float, values))


def read_text(content):
    """Lines of numbers; a first line of names is left out."""
    lines = [line.split() for line in content.decode("utf-8-sig").replace(",", " ").splitlines() if line.strip()]
    lines = lines[1:] if re.search("[A-Za-z_]{2}", lines[0][0]) else lines
    require(len(set(map(len, lines))) == 1, "lines of a text file have unequal lengths")
    return (len(lines), len(lines[0])), [float(word) for line in lines for word in line]


def entries(header, name, path):
    """The entries of a file of data as fractions, if it is the one that the proof is about."""
    content, (checksum, expected) = Path(path).read_bytes(), header["data"][name]
    shape, values = (read_npy if content[:6] == b"\x93NUMPY" else read_text)(content)
    found, wanted = (list(s[:1] if list(s[1:]) == [1] else s) for s in (shape, expected))  # (n, 1) is (n,)
    require(found == wanted and all(map(math.isfinite, values)), f"{name} has shape {shape}, not {expected}, or nan")
    found = hashlib.sha256(struct.pack(f"<{len(values)}d", *values)).hexdigest()
    require(found == checksum, f"SHA-256 of {name} is {found}, but the proof is for {checksum}")
    return list(map(Fraction, values))


def exact(text):
    """A hexadecimal float as a fraction."""
    value = float.fromhex(text)
    require(math.isfinite(value) and value.hex() == text, f"{text} is no hexadecimal float")
    return Fraction(value)


def ratio(text):
    value = Fraction(*(int(part, 16) for part in text.split("/")))
    require(f"{value.numerator:x}/{value.denominator:x}" == text, "a fraction is not reduced")
    return value


def integers(values):
    """Fractions times their common denominator, and that."""
    scale = math.lcm(*(value.denominator for value in values))
    return [value.numerator * (scale // value.denominator) for value in values], scale


def dot(a, b):
    return sum(map(mul, a, b))


def objective(header, rows, y, weights):
    """Weighted losses plus alpha/2 times the sum of squares of all weights and hidden biases."""
    parts, d = header["network"], len(rows[0])
    inner = [list(map(exact, row)) for row in parts["hidden_weights"]]
    bias, outer = list(map(exact, parts["hidden_bias"])), list(map(exact, parts["output_weights"]))
    intercept, width = exact(parts["output_bias"]), len(outer)
    require(len(inner) == len(bias) == width and {d} >= set(map(len, inner)), "the network has wrong shapes")
    require(header["hidden_bias"] or not any(bias), "the network has hidden biases")
    require(header["intercept"] or not intercept, "the network has an intercept")
    X, x_scale = integers([x for row in rows for x in row])
    W, scale = integers([w for row in inner for w in row] + bias)
    a, a_scale = integers(outer)
    units = [(W[j * d : j * d + d], W[width * d + j] * x_scale) for j in range(width)]
    total, value = Fraction(0), LOSSES[header["loss"]][0]
    for i, (target, weight) in enumerate(zip(y, weights)):
        hidden = [max(0, dot(w, X[i * d : i * d + d]) + b) for w, b in units]
        f = Fraction(dot(a, hidden), scale * x_scale * a_scale) + intercept
        total += weight * value(f - target, max(Fraction(0), 1 - target * f), header["c"])
    squares = sum(w * w for part in (*inner, bias, outer) for w in part)
    return total + exact(header["alpha"]) * squares / 2


def dual_objective(header, v, y, weights):
    """A lower bound on all objectives if M(v) <= alpha; terms are rounded down."""
    require(not header["intercept"] or sum(v) == 0, "the sum of the dual point is not zero")
    total, (_, domain, square) = 0, LOSSES[header["loss"]]
    for value, target, weight in zip(v, y, weights):
        require(weight or not value, "the dual point is not zero at a sample without weight")
        if weight:
            z, (low, high) = -value / weight, domain(target, header["c"])
            require(low <= z <= high, "the dual point is outside the domain")
            total -= math.ceil(weight * (z * target + (z * z / 2 if square else 0)) * GRID)
    return Fraction(total, GRID)


def check_cover(header, rows, v, read):
    """Whether M(v) <= bound: |sum_i v_i relu(x_i.u)| <= bound |u| for all u = Aw. Returns the number of boxes.

    A is the basis, and w is on a face of the cube, which boxes cover. Rows are x_i A |v_i| as integers.
    """
    d, side, columns = len(rows[0]), 2 ** header["bits"], list(zip(*header["basis"]))
    require(len(columns) == d == len(header["basis"]), "the basis has another shape")
    require(all(type(x) is int for a in columns for x in a), "the basis is not of integers")
    for a in columns:  # then the diagonal of A'A dominates, and A is regular
        require(2 * dot(a, a) > sum(abs(dot(a, b)) for b in columns), "the basis is not a basis")
    joined = {}
    for row, value in zip(rows, v):
        joined[row] = joined.get(row, 0) + value
    numbers = [abs(value) * x for row, value in joined.items() for x in row]
    numbers, _ = integers([*numbers, ratio(header["bound"])])
    samples, count = ([], []), 0
    for k, value in enumerate(joined.values()):
        c = [dot(numbers[k * d : k * d + d], a) for a in columns]
        samples[value < 0].append((c, list(map(abs, c))))
    bounds = [[numbers[-1] * x for x in a] for a in columns]
    for positive, negative in (samples, samples[::-1]):
        for face, end in product(range(d), (side, -side)):
            lower, upper = [-side] * d, [side] * d
            lower[face] = upper[face] = end
            boxes = [(lower, upper, [0] * d, positive, negative)]
            while boxes:
                boxes += check_box(*boxes.pop(), bounds, read)
                count += 1
    return count


def check_box(lower, upper, g, positive, negative, bounds, read):
    """The boxes that are left of a box after its record.

    Samples without a kink in the box enter g.w, or vanish. The others make P - N, of positive and negative v_i.
    """
    middle, sides = [a + b for a, b in zip(lower, upper)], [b - a for a, b in zip(lower, upper)]
    positive, g = undecided(positive, middle, sides, g, 1)
    negative, g = undecided(negative, middle, sides, g, -1)
    tag = read(1)[0]
    if tag < LEAF:
        require(tag < len(sides) and sides[tag] > 1, "a box is halved that cannot be")
        first, second = upper.copy(), lower.copy()
        first[tag] = second[tag] = (lower[tag] + upper[tag]) // 2
        return [(a, b, g, positive, negative) for a, b in ((second, upper), (lower, first))]
    table = corner_table(1 + tag % 2, lower, sides, g, positive, negative, bounds, read)
    if tag < CUT:
        require(max(table) <= 0, "a leaf is not closed")
        return []
    lower, upper = without_strips(lower, upper, table, read)
    closed = any(a >= b and side for a, b, side in zip(lower, upper, sides))
    return [] if closed else [(lower, upper, g, positive, negative)]


def undecided(samples, middle, sides, g, sign):
    """Samples with a kink inside a box; the others are added to g where they are positive."""
    inside = []
    for c, sizes in samples:
        value, reach = dot(c, middle), dot(sizes, sides)
        if -reach < value < reach:
            inside.append((c, sizes))
        elif value > 0:
            g = [x + sign * y for x, y in zip(g, c)]
    return inside, g


def corner_table(size, lower, sides, g, positive, negative, bounds, read):
    """A multiple of P(w) - p.w at the corners w, where p.w <= N(w) + bound |Aw| - g.w for all w.

    p has slopes m from 0 to 1 for the samples of N, and a vector no longer than 1 for the length.
    """
    one = 256**size - 1
    slopes = struct.unpack(f"<{len(negative)}{' BH'[size]}", read(size * len(negative)))
    unit = struct.unpack(f"<{len(g)}h", read(2 * len(g)))
    require(dot(unit, unit) <= UNIT * UNIT, "a vector is longer than one")
    p = [one * (dot(unit, a) - UNIT * x) for a, x in zip(bounds, g)]
    for m, (c, _) in zip(slopes, negative):
        p = [x + UNIT * m * y for x, y in zip(p, c)] if m else p
    linear = corners(p, lower, sides)
    convex = [0] * len(linear)
    for c, _ in positive:
        convex = [x + t if t > 0 else x for x, t in zip(convex, corners(c, lower, sides))]
    return [one * UNIT * x - t for x, t in zip(convex, linear)]


def corners(c, lower, sides):
    """c.w at all corners w of a box."""
    values = [dot(c, lower)]
    for x, side in zip(c, sides):
        values += [value + x * side for value in values] if side else []
    return values


def without_strips(lower, upper, table, read):
    """The box without strips at its ends on which a convex function is at most zero, by its values at the corners."""
    lower, upper, bit = lower.copy(), upper.copy(), 1
    for j, side in enumerate([b - a for a, b in zip(lower, upper)]):
        if side:
            ends = [max(x for k, x in enumerate(table) if bool(k & bit) == up) for up in (0, 1)]
            widths = [side * part // 256 for part in read(2)]
            for width, near, far in zip(widths, ends, ends[::-1]):
                require(not width or near <= 0 >= (side - width) * near + width * far, "a strip is not closed")
            lower[j], upper[j] = lower[j] + widths[0], upper[j] - widths[1]
            bit *= 2
    return lower, upper


def read_header(file):
    require(file.readline() == MAGIC, "this is no proof of format 1")
    header = json.loads(line := file.readline())
    canonical = json.dumps(header, sort_keys=True, separators=(",", ":")) + "\n"
    require(canonical.encode() == line, "the header is not in canonical form")
    require(type(header["bits"]) is int and 0 < header["bits"] < 64, "bits is wrong")
    require({type(header[name]) for name in ("hidden_bias", "intercept")} == {bool}, "no bool")
    require(0 < ratio(header["bound"]) <= exact(header["alpha"]), "the bound is not below alpha")
    c = Fraction(0) if header["parameter"] is None else exact(header["parameter"])
    fits = {"huber": c > 0, "quantile": 0 < c < 1}.get(header["loss"], header["parameter"] is None)
    require(header["loss"] in LOSSES and fits, "the loss or its parameter is not known")
    return {**header, "c": c}


def check(proof, x_path, y_path, weights_path=None):
    """The problem, the objective of the network, the lower bound and the number of boxes, or an exception."""
    content = Path(proof).read_bytes()
    require(hashlib.sha256(content[:-32]).digest() == content[-32:], "the checksum is wrong")
    file = io.BytesIO(content[:-32])
    header = read_header(file)
    (n, d), values = header["data"]["X"][1], entries(header, "X", x_path)
    y, v = entries(header, "y", y_path), list(map(exact, header["dual"]))
    rows, weights = [tuple(values[i * d : i * d + d]) for i in range(n)], [Fraction(1, n)] * n
    if header["data"]["weights"] or weights_path:
        weights = entries(header, "weights", weights_path)
    require(len(y) == len(v) == len(weights) == n and min(weights) >= 0, "wrong lengths")
    require("hinge" not in header["loss"] or set(y) <= {-1, 1}, "y is not of -1 and 1")
    above, below = objective(header, rows, y, weights), dual_objective(header, v, y, weights)
    claims = ratio(header["objective"]), ratio(header["lower_bound"])
    require(claims == (above, below), "the objective or the lower bound is another")
    rows = [(*row, Fraction(1)) for row in rows] if header["hidden_bias"] else rows
    count = check_cover(header, rows, v, file.read)
    require(not file.read(), "there are records after the last one")
    return header, above, below, count


def main(arguments):
    try:
        require(len(arguments) in (3, 4), __doc__)
        header, above, below, count = check(*arguments)
    except Exception as error:
        print(f"NOT PROVED. {type(error).__name__}: {error}")
        return 1
    (n, d), width = header["data"]["X"][1], len(header["network"]["output_weights"])
    print(f"""PROVED, in exact arithmetic, with {count} boxes.
Data: {n} samples with {d} features; weights s_i {"as given" if header["data"]["weights"] else "1/n"}.
Problem: minimise sum_i s_i loss(f(x_i), y_i) + alpha/2 (sum of squares of w_j, b_j and a_j)
  over f(x) = sum_j a_j relu(w_j.x + b_j) + c with any number of hidden units;
  loss {header["loss"]} ({float(header["c"]) or "no"} parameter), alpha {float.fromhex(header["alpha"])};
  all b_j {"arbitrary" if header["hidden_bias"] else "zero"}, c {"arbitrary" if header["intercept"] else "zero"}.
The network of the file has {width} units and the objective {float(above)}.
No network has an objective below {float(below)}.
Relative gap: {float((above - below) / above) if above else 0.0:.3e} (numbers are rounded here only).""")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
