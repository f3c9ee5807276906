"""Gradient flow against its conservation laws, its own equation, and small steps; initialisations against samples."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.landscape import (
    Initialisation,
    SplineMotionDisplay,
    initialisation,
    random_spline,
    spline_motion,
)
from convexrelu.univariate import knots


def waves(n=9):
    X = np.linspace(-1, 1, n)[:, None]
    return X, np.sin(4 * X[:, 0])


def moved(alpha=0.0, t_end=2.0, scale=1.0, width=10, **options):
    X, y = waves()
    start = random_spline(initialisation("he", width).scaled(scale), random_state=0)
    return spline_motion(start, X, y, t_end=t_end, alpha=alpha, n_times=20, **options)


class TestInitialisation:
    @pytest.mark.parametrize(
        ("name", "variance"), [("he", 2.0), ("glorot", 4 * 256 / 513**2), ("torch", 1 / 18)]
    )
    def test_variance_of_the_slope(self, name, variance):
        """Sahs et al.: (H/2) σ_w² σ_a², for H = 512; here against the slopes of many networks."""
        initial = initialisation(name, 512)
        np.testing.assert_allclose(initial.slope_variance, variance, rtol=1e-12)
        random = np.random.RandomState(0)
        points = np.array([[0.3], [0.3 + 1e-7]])
        slopes = [
            np.diff(random_spline(initial, random_state=random).predict(points))[0] / 1e-7
            for _ in range(2000)
        ]
        # The sample variance of N normals is off by √(2/N), a thirtieth here; five of these.
        np.testing.assert_allclose(np.var(slopes), variance, rtol=5 / np.sqrt(1000))

    def test_knots_are_cauchy(self):
        """Quartiles at ∓σ_b/σ_w, and no mean: the share beyond ten scales is 1 − 2 atan(10)/π."""
        initial = Initialisation(20_000, 2.0, 3.0, 1.0)
        positions = knots(random_spline(initial, random_state=0)).positions
        assert initial.knot_scale == 1.5
        quartiles = np.quantile(positions, [0.25, 0.5, 0.75])
        np.testing.assert_allclose(quartiles, [-1.5, 0, 1.5], atol=0.1)
        far = np.mean(np.abs(positions) > 15)
        np.testing.assert_allclose(far, 1 - 2 * np.arctan(10) / np.pi, rtol=0.15)

    @pytest.mark.parametrize("name", ["he", "glorot", "torch"])
    def test_roughness_of_a_random_network(self, name):
        initial = initialisation(name, 512)
        X, y = waves()
        motion = spline_motion(random_spline(initial, random_state=0), X, y, t_end=1e-9, n_times=2)
        np.testing.assert_allclose(motion.roughness()[0], initial.expected_roughness, rtol=0.2)

    def test_scales(self):
        initial = initialisation("he", 8)
        np.testing.assert_allclose(initial.scaled(3).slope_variance, 81 * initial.slope_variance)
        assert initial.scaled(3).knot_scale == initial.knot_scale
        with pytest.raises(ValueError, match="scale=-1"):
            initial.scaled(-1)
        with pytest.raises(ValueError, match="name='kaiming' is not known"):
            initialisation("kaiming", 8)
        with pytest.raises(ValueError, match="width=7, expected an even"):
            random_spline(initialisation("he", 7), without_output=True)
        with pytest.raises(ValueError, match="initial is a str"):
            random_spline("he")


class TestFlow:
    @pytest.mark.parametrize("alpha", [0.0, 0.05])
    def test_imbalance_of_each_neuron_is_conserved_or_decays(self, alpha):
        """``w² + b² − a²`` times ``exp(2 alpha t)``, as the activation is homogeneous."""
        motion = moved(alpha, rtol=1e-6)
        imbalance = motion.hidden_weights**2 + motion.hidden_bias**2 - motion.output_weights**2
        kept = imbalance * np.exp(2 * alpha * motion.times)[:, None]
        np.testing.assert_allclose(kept, np.broadcast_to(kept[0], kept.shape), atol=1e-4)

    def test_the_objective_falls_and_is_that_of_the_problem(self):
        motion = moved(alpha=0.01)
        assert (np.diff(motion.objectives) < 0).all()
        problem = TrainingProblem(motion.X, motion.y, alpha=0.01)
        for k in (0, 7, 19):
            np.testing.assert_allclose(
                motion.objectives[k], problem.objective(motion.network(k)), rtol=1e-10
            )

    def test_small_steps_of_gradient_descent_stay_near(self):
        motion = moved(t_end=1.0, rtol=1e-6)
        net, x, y = motion.network(0), motion.X[:, 0], motion.y
        w, b, a = (
            net.hidden_weights[:, 0].copy(),
            net.hidden_bias.copy(),
            net.output_weights[0].copy(),
        )
        c, step = 0.0, 1e-3
        for _ in range(1000):
            hidden = np.maximum(np.outer(x, w) + b, 0)
            r = (hidden @ a + c - y) / len(x)
            slopes = (r[:, None] * (hidden > 0)).T
            w, b, a, c = (
                w - step * a * (slopes @ x),
                b - step * a * slopes.sum(axis=1),
                a - step * r @ hidden,
                c - step * r.sum(),
            )
        np.testing.assert_allclose(motion.hidden_weights[-1], w, atol=5e-3)
        np.testing.assert_allclose(motion.output_weights[-1], a, atol=5e-3)

    def test_kernel_and_adaptive_regime(self):
        """Large weights: the kernel stays and knots hardly move; small weights: both change by their own size."""
        X, y = waves()
        ends = {}
        for scale in (0.1, 3.0):
            initial = initialisation("he", 40).scaled(scale)
            start = random_spline(initial, without_output=True, random_state=0)
            ends[scale] = spline_motion(start, X, y, t_end=20 / scale**1.5, n_times=10, rtol=1e-3)
        assert ends[3.0].kernel_change < 0.1 < 1 < ends[0.1].kernel_change
        assert ends[3.0].knot_movement < 0.5 * ends[0.1].knot_movement

    def test_kernel_is_the_gram_matrix_of_gradients(self):
        motion = moved()
        theta = np.concatenate(
            [motion.hidden_weights[3], motion.hidden_bias[3], motion.output_weights[3], [0.0]]
        )

        def outputs(theta):
            w, b, a = theta[:-1].reshape(3, -1)
            return np.maximum(motion.X * w + b, 0) @ a + theta[-1]

        step = 1e-6
        jacobian = np.array(
            [(outputs(theta + e) - outputs(theta - e)) / (2 * step) for e in step * np.eye(31)]
        )
        np.testing.assert_allclose(motion.kernel(3), jacobian.T @ jacobian, atol=1e-7)

    def test_knots_and_jumps_are_those_of_the_spline(self):
        motion = moved()
        found = knots(motion.network(-1))
        order = np.argsort(motion.knots[-1])
        np.testing.assert_allclose(motion.knots[-1][order], found.positions, rtol=1e-12)
        np.testing.assert_allclose(motion.jumps[-1][order], found.jumps, rtol=1e-12)

    def test_progress(self):
        seen = []
        motion = moved(progress=lambda *each: seen.append(each))
        np.testing.assert_allclose(seen, np.column_stack([motion.times, motion.objectives]))

    def test_refusals(self):
        X, y = waves()
        start = random_spline(initialisation("he", 4), random_state=0)
        leaky = TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0], negative_slope=0.1)
        wide = TwoLayerNetwork([[1.0, 1.0]], [0.0], [[1.0]], [0.0])
        for network, options, message in [
            (leaky, {}, "negative_slope=0.1"),
            (wide, {}, "expected one feature"),
            ("net", {}, "network is a str"),
            (start, {"t_end": 0}, "t_end=0 is not a positive"),
            (start, {"alpha": -1}, "alpha=-1"),
            (start, {"n_times": 1}, "n_times=1"),
        ]:
            with pytest.raises(ValueError, match=message):
                spline_motion(network, X, y, **({"t_end": 1.0} | options))


class TestDisplay:
    def test_marks_the_proved_optimum(self):
        motion = moved(alpha=1e-2)
        best = train(TrainingProblem(motion.X, motion.y, alpha=1e-2), random_state=0)
        assert best.certificate.is_proof
        display = SplineMotionDisplay.from_motion(motion, optimum=best)
        labels = [text.get_text() for text in display.axes_[1].get_legend().get_texts()]
        assert "lower bound for all networks (proved)" in labels
        assert min(motion.objectives) >= best.certificate.lower_bound
        animation = display.animation(n_frames=3)
        animation._init_draw()
        animation._draw_frame(19)
        with pytest.raises(ValueError, match="another penalty than alpha=0"):
            SplineMotionDisplay.from_motion(moved(), optimum=best)

    def test_refusals(self):
        with pytest.raises(ValueError, match="motion is a int"):
            SplineMotionDisplay.from_motion(3)
        with pytest.raises(ValueError, match="optimum is a str"):
            SplineMotionDisplay.from_motion(moved(), optimum="best")
        with pytest.raises(ValueError, match="axes has 1 entries"):
            import matplotlib.pyplot as plt

            SplineMotionDisplay.from_motion(moved(), axes=[plt.gca()])
