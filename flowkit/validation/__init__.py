"""What users give, validated: parameters, rows, and the labels of columns."""
