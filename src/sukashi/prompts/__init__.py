"""What people write in prompts, A1111's syntax whole, and how it becomes what the U-Net is told."""
