# Prints shadow(5) with no password changed after `day`, in days since 1970.
BEGIN { FS = OFS = ":" }
$3 > day { $3 = day }
{ print }
