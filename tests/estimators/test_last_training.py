"""Where the training on all data starts after a cross-validation."""

from convexrelu import ConvexReLURegressorCV, TrainingProblem, train
from convexrelu.estimators.last_training import start_of_last_training
from tests import reference


def test_descent_from_the_networks_of_folds_is_a_part_of_the_time_limit(clock):
    X, y = reference.teacher(60, 3, 3, 0.1, 0)
    problem = TrainingProblem(X, y, 0.01)
    estimator = ConvexReLURegressorCV()
    estimator.alpha_, estimator.n_features_in_ = problem.alpha, 3
    folds = [train(problem, effort="predict", random_state=k).network for k in range(2)]
    whole = start_of_last_training(estimator, folds, problem)
    clock.step = 0.5  # seconds for every look at the clock
    began = clock.now
    early = start_of_last_training(estimator, folds, problem, began + 20.0)
    assert clock.now <= began + 20.0
    assert problem.objective(whole) < problem.objective(early)
