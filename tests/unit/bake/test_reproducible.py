"""What a bake does so that its files do not tell when it was."""

import subprocess

from bake.files import PROVISIONERS
from common.checkout import REPOSITORY

SHADOW = """\
root:*:20700:0:99999:7:::
admin:!:20786:0:99999:7:::
ray:!:20786::::::
never:!:::::::
must-change:!:0:0:99999:7:::
"""


def test_no_password_was_changed_after_the_base_image_was_made() -> None:
    program = REPOSITORY / PROVISIONERS / "aged.awk"

    done = subprocess.run(
        ["awk", "-v", "day=20750", "-f", str(program)],
        input=SHADOW,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == SHADOW.replace("20786", "20750")
