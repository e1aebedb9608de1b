import pytest

from engine.sources.questions.kinds import apart, kind_of


@pytest.mark.parametrize(
    ("question", "choices", "answer", "expected"),
    [
        ("What is it?", ("a", "b"), None, "option"),
        ("How many chairs are there?", (), None, "number"),
        ("What is the total number of cats?", (), None, "number"),
        ("Is the door open?", (), None, "yes_no"),
        ("Aren't they asleep?", (), None, "yes_no"),
        ("Is it day or night?", (), None, "open"),
        ("Can you describe the room. Be brief.", (), None, "open"),
        ("Describe the room.", (), None, "open"),
        ("Island: what is it?", (), None, "open"),
        ("", (), None, "open"),
        ("What is it?", (), "Yes.", "yes_no"),
        ("What is it?", (), "1,200.5 %", "number"),
        ("What is it?", (), "a red bus", "phrase"),
        ("What is it?", (), "a red bus in front of a house", "open"),
        ("How many?", (), "too many to be counted by me", "open"),
        ("What color is the car?\nAnswer the question using a single word or phrase.", (), None, "phrase"),
        ("How many dogs are there?\nAnswer the question using a single word or phrase.", (), None, "number"),
        ("Is there a dog?\nAnswer the question using a single word or phrase.", (), None, "yes_no"),
        ("Is the man on the left or right?\nAnswer the question using a single word or phrase.", (), None, "phrase"),
        (
            "What is shown?\nA. cat\nB. dog\nAnswer with the option's letter from the given choices directly.",
            (),
            None,
            "option",
        ),
        ("What is shown? (A) cat (B) dog (C) cow", (), None, "option"),
        ("Can you describe this image?", (), None, "open"),
        ("Could you explain what is happening?", (), None, "open"),
        ("Would you say this is art?", (), None, "open"),
        ("Can you see a dog?", (), None, "yes_no"),
        ("Do you see a dog in the image?", (), None, "yes_no"),
        ("Can you tell me what the man is wearing?", (), None, "open"),
        (
            "Hint: Please answer the question requiring an integer answer and provide the final value, "
            "e.g., 1, 2, 3, at the end.\nQuestion: Subtract all red things. What is left?",
            (),
            None,
            "number",
        ),
        (
            "Hint: Please answer the question requiring a floating-point number with one decimal place "
            "and provide the final value, e.g., 1.2, at the end.\nQuestion: What is the ratio?",
            (),
            None,
            "number",
        ),
        (
            "Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D, at "
            "the end.\nQuestion: Which is it?\nChoices:\n(A) 3\n(B) 4",
            (),
            None,
            "option",
        ),
        ("Is the statement true? Answer yes or no.", (), None, "yes_no"),
        ("Please answer Yes or No: the dog is black.", (), None, "yes_no"),
        ("True or false: there are two cats.", (), None, "yes_no"),
        ("Provide a one-sentence caption for the provided image.", (), None, "open"),
        ("Write a short story about it.", (), None, "open"),
        ("What is written on the sign?", (), None, "open"),
        ("Why is the man smiling?", (), None, "open"),
        ("Is it safe to cross, and why?", (), None, "open"),
        ("Is there a dog? If so, what colour is it?", (), None, "open"),
        ("Is there a dog? What colour is it?", (), None, "open"),
        ("How many people are there and what are they doing?", (), None, "open"),
        ("What is the main subject? Answer with one or two words.", (), None, "phrase"),
        (
            "Is the main subject on the left, in the centre, or on the right of the image? Answer with "
            "left, centre or right.",
            (),
            None,
            "phrase",
        ),
        ("What percentage of people said yes?", (), None, "number"),
        ("What is the difference between the highest and lowest value?", (), None, "number"),
        ("What colour is it? Give a very brief answer.", (), None, "phrase"),
        ("Describe the image in a few words.", (), None, "open"),
        ("Context: It is hot.\nQuestion: Which is warmer?\nOptions: (A) sand (B) ice", (), None, "option"),
        ("Which animal is it?\nOptions: cat, dog, bird", (), None, "option"),
        (
            "Reference OCR token: STOP, 5\nWhat is the number? Answer the question using a single word or phrase.",
            (),
            None,
            "phrase",
        ),
        ("<image>\nHow many birds are there?", (), None, "number"),
        ("Question: Is the cat asleep?\nShort answer:", (), None, "yes_no"),
        ("Please provide the bounding box coordinate of the region this sentence describes: dog", (), None, "open"),
        ("Write a caption.", (), "A dog on grass", "open"),
        ("Describe it in one word.", (), "red", "phrase"),
        ("Can you tell me its colour?", (), "red", "phrase"),
        ("Why is it wet?", (), "It rained", "open"),
        ("How tall is the man?", (), "25 cm", "number"),
        ("How many?", (), "three", "number"),
        ("What?", (), "B", "phrase"),
        ("What? Answer with the option's letter.", (), "B", "option"),
        ("Please identify the animal.", (), None, "open"),
        ("Does this look good to you?", (), None, "yes_no"),
        ("Are there more red than blue cars?", (), None, "yes_no"),
        ("Is there one or more dogs?", (), None, "yes_no"),
        ("How many ways can this be described?", (), None, "open"),
        ("Answer with a number: how many dogs?", (), None, "number"),
        ("Explain why the sky is blue. Answer in one word.", (), None, "open"),
        ("In one word, what is the animal?", (), None, "phrase"),
        ("What is the animal? One word answer.", (), None, "phrase"),
        ("Is this a cat? Explain your answer.", (), None, "open"),
        ("Which of the following is true?\n(a) one\n(b) two", (), None, "option"),
        ("Please carefully observe the image. Are they happy? Please answer yes or no.", (), None, "yes_no"),
        ("Select the correct answer from the options: A. 3 B. 4 C. 5", (), None, "option"),
        ("What did person A say to person B. Tell.", (), None, "open"),
        ("What is the name of the street? Answer briefly.", (), None, "phrase"),
        ("Could this be Paris?", (), None, "yes_no"),
        ("Will the man fall?", (), None, "yes_no"),
        ("How much does it cost?", (), None, "open"),
    ],
)
def test_kind_of_question_follows_options_then_answer_then_what_is_asked_for_then_wording(
    question: str, choices: tuple[str, ...], answer: str | None, expected: str
) -> None:
    kind, answer_type = kind_of(question, choices, answer)
    assert (kind, answer_type) == (("open", None) if expected == "open" else ("closed", expected))


@pytest.mark.parametrize(
    ("question", "stem", "options"),
    [
        (
            "What is it?\nA. cat\nB. dog\nAnswer with the letter.",
            "What is it?\nAnswer with the letter.",
            ("cat", "dog"),
        ),
        ("What is it? (A) cat (B) dog (C) a cow", "What is it?", ("cat", "dog", "a cow")),
        (
            "Context: heat.\nQuestion: Which?\nOptions: (A) sand (B) ice",
            "Context: heat.\nQuestion: Which?",
            ("sand", "ice"),
        ),
        ("Which?\nChoices:\n(A) 3\n(B) 4", "Which?", ("3", "4")),
        ("Which? A) red B) green", "Which?", ("red", "green")),
        ("Which?\na. red\nb. green", "Which?", ("red", "green")),
        ("Which?\n[A] red\n[B] green", "Which?", ("red", "green")),
    ],
)
def test_options_in_the_text_are_taken_apart(question: str, stem: str, options: tuple[str, ...]) -> None:
    assert apart(question) == (stem, options)


@pytest.mark.parametrize(
    "question",
    [
        "What is the difference between panel (A) and panel (B)?",
        "Who is next to person A. Is it person B. or not?",
        "Is vitamin A. good?",
        "What does (B) show?",
        "Which?\nA. red\nC. green",
        "Which?\nA. red\nB. red",
        "Which?\nB. red\nC. green",
        "",
    ],
)
def test_letters_that_list_no_options_are_left_in_the_question(question: str) -> None:
    assert apart(question) == (question, ())
