import importlib


def name_to_task_class(task_file):
    name = task_file.replace(".py", "")
    class_name = "".join(word[0].upper() + word[1:] for word in name.split("_"))
    try:
        module = importlib.import_module(f"rlbench.tasks.{name}")
    except Exception as error:
        raise RuntimeError(f"Tried to interpret {task_file} as a task, but failed.") from error
    return getattr(module, class_name)
