"""Invoke's program, over this folder's tasks.py; ``run.sh`` starts it."""

from invoke.program import Program

from commands.command_line import begin


class Menu(Program):
    """Invoke, which reads a command line as it is meant here."""

    def parse_tasks(self) -> None:
        """Turn words into options, then parse."""
        begin(self, self.collection)
        super().parse_tasks()


if __name__ == "__main__":
    Menu(name="invoke", binary="./run.sh").run()
