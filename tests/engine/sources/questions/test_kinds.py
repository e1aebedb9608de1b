import pytest

from engine.sources.questions.kinds import kind_of


@pytest.mark.parametrize(
    ("question", "choices", "answer", "expected"),
    [
        ("What is it?", ("a", "b"), None, ("closed", "option")),
        ("How many chairs are there?", (), None, ("closed", "number")),
        ("What is the total number of cats?", (), None, ("closed", "number")),
        ("Is the door open?", (), None, ("closed", "yes_no")),
        ("Aren't they asleep?", (), None, ("closed", "yes_no")),
        ("Is it day or night?", (), None, ("open", None)),
        ("Can you describe the room. Be brief.", (), None, ("open", None)),
        ("Describe the room.", (), None, ("open", None)),
        ("Island: what is it?", (), None, ("open", None)),
        ("", (), None, ("open", None)),
        ("What is it?", (), "Yes.", ("closed", "yes_no")),
        ("What is it?", (), "1,200.5 %", ("closed", "number")),
        ("What is it?", (), "a red bus", ("closed", "phrase")),
        ("What is it?", (), "a red bus in front of a house", ("open", None)),
        ("How many?", (), "too many to be counted by me", ("open", None)),
    ],
)
def test_kind_of_question_follows_choices_then_answer_then_wording(
    question: str, choices: tuple[str, ...], answer: str | None, expected: tuple[str, str | None]
) -> None:
    assert kind_of(question, choices, answer) == expected
