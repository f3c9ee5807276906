#!/usr/bin/env python3
"""Check a proof of how far a trained network is from the best one, in exact arithmetic.

    python check_proof.py PROOF X Y [WEIGHTS]

PROOF is a file written by `save_proof` of convexrelu; X, Y and WEIGHTS are the training data, `.npy` or text with commas.
The format, and what is proved, is on the page "Proofs in files" of the documentation. This program shares no code with the
library and needs Python's standard library only. It prints what is proved and exits with 0, or says what is wrong and
exits with 1.
"""

import hashlib
import json
import math
import re
import struct
import sys
from array import array
from fractions import Fraction
from operator import mul

MAGIC = b"convexrelu proof 1\n"
LEAF_1, LEAF_2, CUT_1, CUT_2 = 252, 253, 254, 255  # slopes of one or two bytes
UNIT = 2**15 - 1  # length of the unit vectors of records
GRID = 2**1200  # terms of the lower bound are multiples of its inverse
LOSSES = "squared_error absolute_error quantile huber hinge squared_hinge".split()
KEYS = "alpha basis bits bound data dual hidden_bias intercept loss lower_bound network objective parameter".split()


class Refused(Exception):
    """The proof, or the data, are not as they should be."""


def require(condition, message):
    if not condition:
        raise Refused(message)


# ---- Data -----------------------------------------------------------------------------------------


def read_array(path):
    """Shape and entries, by rows, of an array of one or two dimensions, as floats."""
    with open(path, "rb") as file:
        content = file.read()
    shape, values = (read_npy if content[:6] == b"\x93NUMPY" else read_text)(content)
    require(len(shape) in (1, 2) and len(values) == math.prod(shape), f"{path}: wrong size")
    require(all(map(math.isfinite, values)), f"{path}: an entry is not finite")
    return shape, values


def read_npy(content):
    start, code = (10, "<H") if content[6] == 1 else (12, "<I")
    end = start + struct.unpack(code, content[8:start])[0]
    header = content[start:end].decode("latin1")
    kind = re.search(r"'descr': '([<|])([fiub])([1248])'", header)
    require(kind, "X, Y and WEIGHTS must be arrays of numbers, in little-endian order")
    code = {"f4": "f", "f8": "d", "b1": "?"}.get(kind[2] + kind[3])
    code = code or {"1": "b", "2": "h", "4": "i", "8": "q"}[kind[3]]
    code = code.upper() if kind[2] == "u" else code
    shape = tuple(map(int, re.findall(r"\d+", re.search(r"'shape': \(([^)]*)\)", header)[1])))
    size = len(content[end:]) // int(kind[3])
    values = [float(x) for x in struct.unpack(f"<{size}{code}", content[end:])]
    if "'fortran_order': True" in header and len(shape) == 2:
        values = [x for i in range(shape[0]) for x in values[i :: shape[0]]]
    return shape, values


def read_text(content):
    """Lines of numbers with commas or spaces between them; a first line of names is left out."""
    lines = [line.replace(",", " ").split() for line in content.decode("utf-8-sig").splitlines()]
    lines = [line for line in lines if line]
    try:
        [float(word) for word in lines[0]]
    except ValueError:
        del lines[0]
    rows = [[float(word) for word in line] for line in lines]
    require(len({len(row) for row in rows}) == 1, "lines of a text file have unequal lengths")
    shape = (len(rows),) if len(rows[0]) == 1 else (len(rows), len(rows[0]))
    return shape, [x for row in rows for x in row]


def checked_data(header, name, path, columns=None):
    """The entries of a file, if it is the one that the proof is about."""
    shape, values = read_array(path)
    checksum, expected = header["data"][name]
    if len(expected) == 2 == len(shape) + 1:  # a text file of a single feature
        shape = (shape[0], 1)
    if len(expected) == 1 and shape[1:] == (1,):
        shape = shape[:1]
    require(list(shape) == expected, f"{name} has shape {shape}, the proof is for {expected}")
    packed = array("d", values)
    if sys.byteorder == "big":
        packed.byteswap()
    found = hashlib.sha256(packed.tobytes()).hexdigest()
    require(found == checksum, f"{name}: SHA-256 of the entries is {found}, not {checksum}")
    return values


# ---- Numbers of the header ------------------------------------------------------------------------


def exact(text):
    """A hexadecimal float as a Fraction."""
    value = float.fromhex(text)
    require(math.isfinite(value) and value.hex() == text, f"{text} is no hexadecimal float")
    return Fraction(value)


def ratio(text):
    above, below = text.split("/")
    value = Fraction(int(above, 16), int(below, 16))
    require(f"{value.numerator:x}/{value.denominator:x}" == text, "a fraction is not reduced")
    return value


def integers(values):
    """Fractions times their common denominator, and that."""
    scale = math.lcm(*(value.denominator for value in values)) if values else 1
    return [value.numerator * (scale // value.denominator) for value in values], scale


def dot(a, b):
    return sum(map(mul, a, b))


# ---- Losses: value, conjugate, and domain of the conjugate -----------------------------------------


def loss_value(name, c, f, y):
    r = f - y
    if name == "squared_error":
        return r * r / 2
    if name == "absolute_error":
        return abs(r)
    if name == "quantile":
        return max(-c * r, (1 - c) * r)
    if name == "huber":
        return min(abs(r), c) * (abs(r) - min(abs(r), c) / 2)
    margin = max(0, 1 - y * f)
    return margin if name == "hinge" else margin * margin / 2


def conjugate(name, c, z, y):
    """The conjugate at z, or None outside its domain."""
    low, high = {
        "squared_error": (z, z),
        "absolute_error": (-1, 1),
        "quantile": (-c, 1 - c),
        "huber": (-c, c),
        "hinge": (min(-y, 0), max(-y, 0)),
        "squared_hinge": (z if y > 0 else 0, z if y < 0 else 0),
    }[name]
    if not low <= z <= high:
        return None
    square = z * z / 2 if name in ("squared_error", "huber", "squared_hinge") else 0
    return square + z * y


# ---- The two sides of the gap -----------------------------------------------------------------------


def objective(header, rows, y, weights):
    """The objective of the network: fit plus half of alpha times the sum of squares."""
    net = header["network"]
    inner = [[exact(t) for t in row] for row in net["hidden_weights"]]
    bias, outer = ([exact(t) for t in net[name]] for name in ("hidden_bias", "output_weights"))
    intercept, width = exact(net["output_bias"]), len(outer)
    require(len(inner) == len(bias) == width, "the network has parts of unequal length")
    require(all(len(row) == len(rows[0]) for row in inner), "the network has other inputs")
    require(header["hidden_bias"] or not any(bias), "the network has a bias, the problem has none")
    require(header["intercept"] or not intercept, "the network has an intercept")
    flat_x, x_scale = integers([x for row in rows for x in row])
    flat, scale = integers([w for row in inner for w in row] + bias)
    d = len(rows[0])
    units = [flat[j * d : (j + 1) * d] for j in range(width)]
    biases = [b * x_scale for b in flat[width * d :]]
    a, a_scale = integers(outer)
    fit = Fraction(0)
    for i, (target, weight) in enumerate(zip(y, weights)):
        x = flat_x[i * d : (i + 1) * d]
        hidden = [max(0, dot(unit, x) + b) for unit, b in zip(units, biases)]
        f = Fraction(dot(a, hidden), scale * x_scale * a_scale) + intercept
        fit += weight * loss_value(header["loss"], header["c"], f, target)
    penalty = sum(w * w for part in (*inner, bias, outer) for w in part)
    return fit + exact(header["alpha"]) * penalty / 2


def dual_objective(header, v, y, weights):
    """The dual objective, each of its terms rounded down; for v in the domain and, with an intercept, of sum zero."""
    require(not header["intercept"] or sum(v) == 0, "the dual point does not have sum zero")
    total = 0
    for value, target, weight in zip(v, y, weights):
        if weight == 0:
            require(value == 0, "the dual point is not zero at a sample without weight")
            continue
        term = conjugate(header["loss"], header["c"], -value / weight, target)
        require(term is not None, "the dual point is outside the domain")
        total += math.floor(-weight * term * GRID)
    return Fraction(total, GRID)


# ---- M(v) ≤ bound: a cover of the sphere by boxes ----------------------------------------------------


class Tree:
    """Reads the records of one face of the cube after the other, and checks that every box is closed."""

    def __init__(self, header, rows, v, file, left):
        self.file, self.left, self.n_boxes = file, left, 0
        basis = header["basis"]
        d = len(rows[0])
        require(len(basis) == d and all(len(row) == d for row in basis), "basis: wrong shape")
        require(all(type(x) is int for row in basis for x in row), "basis: not integers")
        self.columns = list(zip(*basis))
        for a in self.columns:  # a matrix with a dominant diagonal is regular
            products = [abs(dot(a, b)) for b in self.columns]
            require(2 * dot(a, a) > sum(products), "basis: not nearly orthogonal")
        joined = {}
        for row, value in zip(rows, v):
            joined[row] = joined.get(row, 0) + value
        # Rows times |v|, in the basis, and the bound, all as integers.
        weighted = [[abs(value) * x for x in row] for row, value in joined.items()]
        flat, _ = integers([x for row in weighted for x in row] + [ratio(header["bound"])])
        self.bound = flat.pop()
        self.parts = [], []
        for k, value in enumerate(joined.values()):
            c = [dot(flat[k * d : (k + 1) * d], column) for column in self.columns]
            if any(c):
                self.parts[value < 0].append((c, [abs(x) for x in c]))
        self.side = 2 ** header["bits"]

    def read(self, size):
        self.left -= size
        require(self.left >= 0, "the records end too early")
        return self.file.read(size)

    def check(self):
        d = len(self.columns)
        for up, down in (self.parts, self.parts[::-1]):
            for face in range(d):
                for end in (self.side, -self.side):
                    lower, upper = [-self.side] * d, [self.side] * d
                    lower[face] = upper[face] = end
                    self.check_face(lower, upper, up, down)
        require(self.left == 0, "there are records after the last one")

    def check_face(self, lower, upper, up, down):
        boxes = [(lower, upper, [0] * len(lower), up, down)]
        while boxes:
            self.n_boxes += 1
            lower, upper, g, up, down = boxes.pop()
            # Samples without a kink in the box enter the linear function gᵀu, or vanish.
            middle = [a + b for a, b in zip(lower, upper)]
            sides = [b - a for a, b in zip(lower, upper)]
            up, active = kinks(up, middle, sides)
            down, negative = kinks(down, middle, sides)
            g = [sum(column) for column in zip(g, *active)]
            g = [2 * x - sum(column) for x, column in zip(g, zip(g, *negative))]
            tag = self.read(1)[0]
            if tag < LEAF_1:
                require(tag < len(sides) and sides[tag] > 1, "a box is halved that cannot be")
                cut = (lower[tag] + upper[tag]) // 2
                above, below = lower.copy(), upper.copy()
                above[tag] = below[tag] = cut
                boxes.append((above, upper, g, up, down))
                boxes.append((lower, below, g, up, down))
                continue
            table = self.table(1 + tag % 2, lower, sides, g, up, down)
            if tag in (LEAF_1, LEAF_2):
                require(max(table) <= 0, "a leaf is not closed")
                continue
            lower, upper = self.clipped(lower, upper, table)
            if all(a < b or not s for a, b, s in zip(lower, upper, sides)):
                boxes.append((lower, upper, g, up, down))

    def table(self, size, lower, sides, g, up, down):
        """P(s) − pᵀs at all corners s, times `one` and UNIT."""
        one = 256**size - 1
        slopes = struct.unpack(f"<{len(down)}{'BH'[size - 1]}", self.read(size * len(down)))
        unit = struct.unpack(f"<{len(g)}h", self.read(2 * len(g)))
        require(dot(unit, unit) <= UNIT * UNIT, "a vector is longer than one")
        p = [one * (self.bound * dot(unit, column) - UNIT * x) for column, x in zip(self.columns, g)]
        for slope, (c, _) in zip(slopes, down):
            if slope:
                slope *= UNIT
                p = [x + slope * y for x, y in zip(p, c)]
        convex = [0] * 2 ** sum(map(bool, sides))
        for c, _ in up:
            convex = [x + t if t > 0 else x for x, t in zip(convex, corners(c, lower, sides))]
        one *= UNIT
        return [one * x - t for x, t in zip(convex, corners(p, lower, sides))]

    def clipped(self, lower, upper, table):
        """The box without strips in which the convex function of the table is at most zero."""
        lower, upper, bit = lower.copy(), upper.copy(), 1
        for j, (a, b) in enumerate(zip(lower, upper)):
            if a == b:
                continue
            first = max(x for k, x in enumerate(table) if not k & bit)
            last = max(x for k, x in enumerate(table) if k & bit)
            bit *= 2
            side = b - a
            from_lower, from_upper = (side * part // 256 for part in self.read(2))
            if from_lower:
                require(first <= 0 and (side - from_lower) * first + from_lower * last <= 0, "a cut")
                lower[j] += from_lower
            if from_upper:
                require(last <= 0 and (side - from_upper) * last + from_upper * first <= 0, "a cut")
                upper[j] -= from_upper
        return lower, upper


def kinks(samples, middle, sides):
    """Samples with a kink in the box, and the rows of those that are positive on all of it."""
    inside, active = [], []
    for sample in samples:
        value, reach = dot(sample[0], middle), dot(sample[1], sides)
        if -reach < value < reach:
            inside.append(sample)
        elif value > 0:
            active.append(sample[0])
    return inside, active


def corners(c, lower, sides):
    """cᵀs at all corners s of a box."""
    values = [dot(c, lower)]
    for x, side in zip(c, sides):
        if side:
            x *= side
            values += [value + x for value in values]
    return values


# ---- All together ---------------------------------------------------------------------------------


def read_header(file):
    require(file.readline() == MAGIC, "this is no proof of format 1")
    line = file.readline()
    header = json.loads(line)
    canonical = json.dumps(header, sort_keys=True, separators=(",", ":")) + "\n"
    require(canonical.encode("ascii") == line, "the header is not in canonical form")
    require(sorted(header) == KEYS, "the header has other keys")
    require(type(header["bits"]) is int and 0 < header["bits"] < 64, "bits")
    for name in ("hidden_bias", "intercept"):
        require(type(header[name]) is bool, name)
    alpha, loss, parameter = exact(header["alpha"]), header["loss"], header["parameter"]
    require(0 < ratio(header["bound"]) <= alpha, "the bound on M(v) is above alpha")
    require(loss in LOSSES, f"the loss {loss!r} is not known")
    c = Fraction(0) if parameter is None else exact(parameter)
    fits = {"huber": c > 0, "quantile": 0 < c < 1}.get(loss, parameter is None)
    require(fits, "the parameter of the loss")
    return {**header, "c": c}


def check(proof, x_path, y_path, weights_path=None):
    """What is proved, as numbers; Refused, or another exception, where nothing is."""
    with open(proof, "rb") as file:
        size = file.seek(0, 2) - 32
        file.seek(0)
        digest = hashlib.sha256()
        for start in range(0, size, 2**20):
            digest.update(file.read(min(2**20, size - start)))
        require(size > 0 and digest.digest() == file.read(), "the checksum of the proof is wrong")
        file.seek(0)
        header = read_header(file)
        flat = list(map(Fraction, checked_data(header, "X", x_path)))
        y = list(map(Fraction, checked_data(header, "y", y_path)))
        n, d = header["data"]["X"][1]
        require(header["data"]["y"][1] == [n] and n > 0 < d, "X and y have unequal lengths")
        require("hinge" not in header["loss"] or all(abs(t) == 1 for t in y), "y: not -1 or 1")
        weights = [Fraction(1, n)] * n
        if header["data"]["weights"] is None:
            require(weights_path is None, "the proof is for equal weights")
        else:
            require(weights_path is not None, "the proof needs the file of weights")
            weights = list(map(Fraction, checked_data(header, "weights", weights_path)))
        require(len(weights) == n and min(weights) >= 0, "weights: wrong length, or negative")
        rows = [tuple(flat[i * d : (i + 1) * d]) for i in range(n)]
        v = [exact(t) for t in header["dual"]]
        require(len(v) == n, "the dual point has another length")
        above = objective(header, rows, y, weights)
        require(above == ratio(header["objective"]), "the objective is another")
        below = dual_objective(header, v, y, weights)
        require(below == ratio(header["lower_bound"]), "the lower bound is another")
        if header["hidden_bias"]:
            rows = [(*row, Fraction(1)) for row in rows]
        tree = Tree(header, rows, v, file, size - file.tell())
        tree.check()
    return header, above, below, tree.n_boxes


def main(arguments):
    if len(arguments) not in (3, 4):
        print(__doc__)
        return 2
    try:
        header, above, below, n_boxes = check(*arguments)
    except Exception as error:
        print(f"NOT PROVED: {type(error).__name__}: {error}")
        return 1
    (n, d), width = header["data"]["X"][1], len(header["network"]["output_weights"])
    gap = float((above - below) / above) if above else 0.0
    print(f"""PROVED, in exact arithmetic, with {n_boxes} boxes.
Data: {n} samples, {d} features, {"equal" if header["data"]["weights"] is None else "given"} weights s_i.
Problem: minimise sum_i s_i loss(f(x_i), y_i) + alpha/2 (sum of squares of hidden weights, hidden biases and output weights)
  over networks f with one hidden layer of ReLU units, of every width, with one output;
  loss {header["loss"]}{"" if not header["c"] else f" with parameter {float(header['c'])!r}"}, \
alpha = {float.fromhex(header["alpha"])!r},
  hidden biases: {"penalised" if header["hidden_bias"] else "none"}, \
output intercept: {"not penalised" if header["intercept"] else "none"}.
The network of the file has {width} hidden units and the objective {float(above)!r}.
No network has an objective below {float(below)!r}.
Relative gap: {gap:.3e}. Decimal numbers are rounded here; the file has fractions.""")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
