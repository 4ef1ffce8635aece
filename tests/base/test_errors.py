import pickle

from dfl.base.errors import UserError


def test_an_error_for_the_user_crosses_process_borders() -> None:
    error = pickle.loads(pickle.dumps(UserError("a.jpg is damaged.", "Delete it.")))
    assert isinstance(error, UserError)
    assert (error.what, error.todo) == ("a.jpg is damaged.", "Delete it.")
    assert str(error) == "a.jpg is damaged.\nDelete it."
